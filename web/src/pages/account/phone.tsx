import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { security } from "../../api/security";
import { Failure } from "../../components/failure";
import { Field } from "../../components/field";
import { useSession } from "../../session/session";

/** The account's phone: changed when the old and the new number prove themselves. */
export function Phone({ current }: { current: string }) {
  const { t } = useTranslation();
  const [changing, setChanging] = useState(false);
  const [changed, setChanged] = useState(false);
  return (
    <section className="card" aria-labelledby="phone">
      <div className="title-row">
        <h2 id="phone">{t("phone.title")}</h2>
        <bdi dir="ltr">{current || t("phone.none")}</bdi>
      </div>
      {changed && (
        <p className="notice good" role="status">
          {t("phone.changed")}
        </p>
      )}
      {changing ? (
        <Change
          onDone={(done) => {
            setChanging(false);
            setChanged(done);
          }}
        />
      ) : (
        <>
          <p className="quiet-text">{t("phone.why")}</p>
          <button type="button" className="button quiet" onClick={() => setChanging(true)}>
            {t("phone.change")}
          </button>
        </>
      )}
    </section>
  );
}

function Change({ onDone }: { onDone: (changed: boolean) => void }) {
  const { t } = useTranslation();
  const { call } = useSession();
  const queries = useQueryClient();
  const [phone, setPhone] = useState("");
  const [code, setCode] = useState("");
  const [oldCode, setOldCode] = useState("");
  const ask = useMutation({ mutationFn: () => security.requestPhone(call, phone) });
  const confirm = useMutation({
    mutationFn: () => security.confirmPhone(call, code, ask.data?.old_code_needed ? oldCode : undefined),
    onSuccess: () => {
      void queries.invalidateQueries();
      onDone(true);
    },
  });
  const sent = ask.isSuccess;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (sent) confirm.mutate();
    else ask.mutate();
  };
  const busy = ask.isPending || confirm.isPending;
  const codeField = { dir: "ltr", inputMode: "numeric", autoComplete: "one-time-code", maxLength: 10 } as const;
  return (
    <form onSubmit={submit}>
      <Field
        label={t("phone.new")}
        hint={sent ? undefined : t("staff.phoneHint")}
        dir="ltr"
        type="tel"
        autoComplete="tel"
        required
        readOnly={sent}
        value={phone}
        onChange={(event) => setPhone(event.target.value)}
      />
      {ask.data?.old_code_needed && (
        <Field
          {...codeField}
          label={t("phone.oldCode")}
          required
          value={oldCode}
          onChange={(event) => setOldCode(event.target.value)}
        />
      )}
      {sent && (
        <Field
          {...codeField}
          label={t("phone.newCode")}
          required
          value={code}
          onChange={(event) => setCode(event.target.value)}
        />
      )}
      <Failure error={confirm.error ?? ask.error} />
      <div className="actions">
        <button type="submit" className="button" disabled={busy}>
          {busy ? t("busy") : sent ? t("phone.confirm") : t("phone.send")}
        </button>
        <button type="button" className="button quiet" onClick={() => onDone(false)}>
          {t("cancel")}
        </button>
      </div>
    </form>
  );
}
