import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { callCode, requestCode, type SecondStep, verifyCode, verifySecondStep } from "../api/auth";
import { ApiError } from "../api/client";
import { Failure } from "../components/failure";
import { Field } from "../components/field";
import { Waiting } from "../components/waiting";
import { useSession } from "../session/session";
import { Profile } from "./profile";
import { Reproof } from "./reproof";

/** The staff's door: a phone number, the code of its SMS, the application's code of who has one (A07). */
export function Login() {
  const session = useSession();
  const [second, setSecond] = useState<SecondStep | null>(null);
  if (session.state === "asking") return <Waiting />;
  if (session.state === "in") return <Profile />;
  if (second) return <SecondForm step={second} onEnd={() => setSecond(null)} />;
  return <CodeForm onSecond={setSecond} />;
}

function CodeForm({ onSecond }: { onSecond: (step: SecondStep) => void }) {
  const { t, i18n } = useTranslation();
  const session = useSession();
  const [phone, setPhone] = useState("");
  const [code, setCode] = useState("");
  const send = useMutation({ mutationFn: () => requestCode(phone, i18n.language) });
  const speak = useMutation({ mutationFn: () => callCode(phone, i18n.language) });
  const verify = useMutation({
    mutationFn: () => verifyCode(phone, code, i18n.language),
    onSuccess: (answer) => ("challenge" in answer ? onSecond(answer) : session.enter(answer.access)),
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
    speak.reset();
    verify.reset();
  };
  const busy = send.isPending || verify.isPending;
  const stopped = [verify.error, speak.error, send.error].some(
    (error) => error instanceof ApiError && error.code === "auth.number_needs_proof",
  );
  if (stopped) return <Reproof phone={phone} onProved={restart} />;
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
          hint={speak.isSuccess ? t("staff.called") : t("staff.codeSent", { phone: `\u2068${phone}\u2069` })}
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
      <Failure error={verify.error ?? speak.error ?? send.error} />
      <button type="submit" className="button" disabled={busy}>
        {busy ? t("busy") : sent ? t("staff.verify") : t("staff.sendCode")}
      </button>
      {sent && (
        <div className="links">
          <button type="button" className="link" onClick={() => speak.mutate()} disabled={speak.isPending || speak.isSuccess}>
            {t("staff.call")}
          </button>
          <button type="button" className="link" onClick={restart}>
            {t("staff.another")}
          </button>
        </div>
      )}
    </form>
  );
}

function SecondForm({ step, onEnd }: { step: SecondStep; onEnd: () => void }) {
  const { t, i18n } = useTranslation();
  const session = useSession();
  const [code, setCode] = useState("");
  const [recovery, setRecovery] = useState(false);
  const verify = useMutation({
    mutationFn: () => verifySecondStep(step.challenge, code, i18n.language),
    onSuccess: ({ access }) => session.enter(access),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    verify.mutate();
  };
  const other = () => {
    setCode("");
    verify.reset();
    setRecovery(!recovery);
  };
  const ended = verify.error instanceof ApiError && verify.error.code === "auth.challenge_ended";
  const kind = recovery ? "recovery" : "app";
  return (
    <form className="card narrow" onSubmit={submit}>
      <h1>{t("second.title")}</h1>
      <Field
        key={kind}
        label={t(`second.${kind}`)}
        hint={t(`second.${kind}Hint`)}
        dir="ltr"
        inputMode={recovery ? undefined : "numeric"}
        autoComplete="one-time-code"
        autoCapitalize="off"
        spellCheck={false}
        maxLength={50}
        required
        autoFocus
        value={code}
        onChange={(event) => setCode(event.target.value)}
      />
      <Failure error={verify.error} />
      {ended ? (
        <button type="button" className="button" onClick={onEnd}>
          {t("second.again")}
        </button>
      ) : (
        <button type="submit" className="button" disabled={verify.isPending}>
          {verify.isPending ? t("busy") : t("staff.verify")}
        </button>
      )}
      <div className="links">
        <button type="button" className="link" onClick={other}>
          {recovery ? t("second.useApp") : t("second.useRecovery")}
        </button>
        <Link to="/recovery" className="link">
          {t("second.lost")}
        </Link>
      </div>
    </form>
  );
}
