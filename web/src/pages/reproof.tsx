import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { requestReproof, verifyReproof } from "../api/auth";
import { Failure } from "../components/failure";
import { Field } from "../components/field";

/** After too many wrong codes on a number: a long code with one attempt opens it again for logins. */
export function Reproof({ phone, onProved }: { phone: string; onProved: () => void }) {
  const { t, i18n } = useTranslation();
  const [code, setCode] = useState("");
  const ask = useMutation({ mutationFn: () => requestReproof(phone, i18n.language) });
  const verify = useMutation({
    mutationFn: () => verifyReproof(phone, code, i18n.language),
    onSuccess: onProved,
  });
  const sent = ask.isSuccess;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (sent) verify.mutate();
    else ask.mutate();
  };
  const busy = ask.isPending || verify.isPending;
  return (
    <form className="card narrow" onSubmit={submit}>
      <h1>{t("reproof.title")}</h1>
      <p>{t("reproof.why", { phone: `\u2068${phone}\u2069` })}</p>
      {sent && (
        <Field
          label={t("reproof.code")}
          hint={t("reproof.hint")}
          dir="ltr"
          inputMode="numeric"
          autoComplete="one-time-code"
          maxLength={12}
          required
          autoFocus
          value={code}
          onChange={(event) => setCode(event.target.value)}
        />
      )}
      <Failure error={verify.error ?? ask.error} />
      <button type="submit" className="button" disabled={busy}>
        {busy ? t("busy") : sent ? t("reproof.confirm") : t("reproof.send")}
      </button>
      <div className="links">
        <button type="button" className="link" onClick={onProved}>
          {t("recovery.back")}
        </button>
      </div>
    </form>
  );
}
