import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { fetchMe, logout, requestCode, type Session, verifyCode } from "../api/auth";
import { Failure } from "../components/failure";
import { Field } from "../components/field";

/** The staff's door: a phone number, the code of its SMS, then who one is (A07). */
export function Staff() {
  const [session, setSession] = useState<Session | null>(null);
  return session ? (
    <Profile session={session} onLogout={() => setSession(null)} />
  ) : (
    <CodeForm onLogin={setSession} />
  );
}

function CodeForm({ onLogin }: { onLogin: (session: Session) => void }) {
  const { t, i18n } = useTranslation();
  const [phone, setPhone] = useState("");
  const [code, setCode] = useState("");
  const send = useMutation({ mutationFn: () => requestCode(phone, i18n.language) });
  const verify = useMutation({
    mutationFn: () => verifyCode(phone, code, i18n.language),
    onSuccess: onLogin,
  });
  const sent = send.isSuccess;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (sent) verify.mutate();
    else send.mutate();
  };
  const restart = () => {
    setCode("");
    send.reset();
    verify.reset();
  };
  const busy = send.isPending || verify.isPending;
  return (
    <form className="card narrow" onSubmit={submit}>
      <h1>{t("staff.title")}</h1>
      <Field
        label={t("staff.phone")}
        hint={sent ? undefined : t("staff.phoneHint")}
        dir="ltr"
        type="tel"
        autoComplete="tel"
        required
        readOnly={sent}
        value={phone}
        onChange={(event) => setPhone(event.target.value)}
      />
      {sent && (
        <Field
          label={t("staff.code")}
          hint={t("staff.codeSent", { phone: `\u2068${phone}\u2069` })}
          dir="ltr"
          inputMode="numeric"
          autoComplete="one-time-code"
          maxLength={10}
          required
          autoFocus
          value={code}
          onChange={(event) => setCode(event.target.value)}
        />
      )}
      <Failure error={verify.error ?? send.error} />
      <button type="submit" className="button" disabled={busy}>
        {busy ? t("busy") : sent ? t("staff.verify") : t("staff.sendCode")}
      </button>
      {sent && (
        <button type="button" className="button quiet" onClick={restart}>
          {t("staff.another")}
        </button>
      )}
    </form>
  );
}

function Profile({ session, onLogout }: { session: Session; onLogout: () => void }) {
  const { t } = useTranslation();
  const me = useQuery({ queryKey: ["me", session.access], queryFn: () => fetchMe(session.access) });
  const leave = useMutation({ mutationFn: () => logout(session), onSuccess: onLogout });
  const roles = [...new Set([me.data?.role ?? me.data?.clinic_role, me.data?.content_role])]
    .filter((role): role is string => Boolean(role))
    .map((role) => t(`role.${role}`, { defaultValue: role }));
  return (
    <section className="card narrow">
      {me.isPending && <p role="status">{t("busy")}</p>}
      {me.data && (
        <>
          <h1 dir="auto">{t("staff.welcome", { name: me.data.full_name || me.data.phone_number })}</h1>
          <p>
            {t("staff.roles")}: <bdi>{roles.length > 0 ? roles.join(" · ") : t("staff.noRole")}</bdi>
          </p>
        </>
      )}
      <Failure error={me.error ?? leave.error} />
      <button type="button" className="button quiet" onClick={() => leave.mutate()} disabled={leave.isPending}>
        {t("staff.logout")}
      </button>
    </section>
  );
}
