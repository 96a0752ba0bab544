import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { type Enrolment, type FactorStatus, security } from "../../api/security";
import { CopyButton } from "../../components/copy-button";
import { Failure } from "../../components/failure";
import { Field } from "../../components/field";
import { QrCode } from "../../components/qr-code";
import { formatNumber, useLanguage } from "../../i18n/languages";
import { useSession } from "../../session/session";
import { RecoveryCodes } from "./recovery-codes";

/** From so few recovery codes on the person is asked to make new ones. */
const FEW = 3;

/** The authenticator: bound, confirmed, turned off, and its recovery codes. */
export function SecondFactor({ status }: { status: FactorStatus }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [codes, setCodes] = useState<string[] | null>(null);
  const changed = () => {
    void queries.invalidateQueries({ queryKey: ["second-factor"] });
    void queries.invalidateQueries({ queryKey: ["sessions"] });
    void queries.invalidateQueries({ queryKey: ["me"] });
  };
  const shown = (made: string[]) => {
    setCodes(made);
    changed();
  };
  return (
    <section className="card" aria-labelledby="factor">
      <div className="title-row">
        <h2 id="factor">{t("factor.title")}</h2>
        <span className={status.enabled ? "tag good" : "tag"}>{t(status.enabled ? "factor.on" : "factor.off")}</span>
      </div>
      {codes ? (
        <RecoveryCodes codes={codes} onKept={() => setCodes(null)} />
      ) : status.enabled ? (
        <Bound status={status} onCodes={shown} onOff={changed} />
      ) : (
        <Binding onCodes={shown} />
      )}
    </section>
  );
}

function Binding({ onCodes }: { onCodes: (codes: string[]) => void }) {
  const { t } = useTranslation();
  const { call, enter } = useSession();
  const [code, setCode] = useState("");
  const enrol = useMutation({ mutationFn: () => security.enrol(call) });
  const confirm = useMutation({
    mutationFn: () => security.confirm(call, code),
    onSuccess: ({ access, recovery_codes }) => {
      enter(access, false);
      onCodes(recovery_codes);
    },
  });
  if (!enrol.data) {
    return (
      <>
        <p>{t("factor.why")}</p>
        <Failure error={enrol.error} />
        <button type="button" className="button" onClick={() => enrol.mutate()} disabled={enrol.isPending}>
          {enrol.isPending ? t("busy") : t("factor.begin")}
        </button>
      </>
    );
  }
  const submit = (event: FormEvent) => {
    event.preventDefault();
    confirm.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Secret enrolment={enrol.data} />
      <Field
        label={t("factor.code")}
        hint={t("factor.codeHint")}
        dir="ltr"
        inputMode="numeric"
        autoComplete="one-time-code"
        maxLength={12}
        required
        value={code}
        onChange={(event) => setCode(event.target.value)}
      />
      <Failure error={confirm.error} />
      <div className="actions">
        <button type="submit" className="button" disabled={confirm.isPending}>
          {confirm.isPending ? t("busy") : t("factor.confirm")}
        </button>
        <button type="button" className="button quiet" onClick={() => enrol.reset()}>
          {t("cancel")}
        </button>
      </div>
    </form>
  );
}

function Secret({ enrolment }: { enrolment: Enrolment }) {
  const { t } = useTranslation();
  const grouped = enrolment.secret.replace(/(.{4})(?=.)/g, "$1 ");
  return (
    <div className="enrol">
      <QrCode text={enrolment.otpauth_url} label={t("factor.qr")} />
      <div>
        <p>{t("factor.scan")}</p>
        <p className="note">{t("factor.type")}</p>
        <p>
          <code dir="ltr">{grouped}</code>
        </p>
        <div className="actions">
          <CopyButton text={enrolment.secret} />
          <a className="button quiet small" href={enrolment.otpauth_url}>
            {t("factor.open")}
          </a>
        </div>
      </div>
    </div>
  );
}

function Bound({
  status,
  onCodes,
  onOff,
}: {
  status: FactorStatus;
  onCodes: (codes: string[]) => void;
  onOff: () => void;
}) {
  const { t } = useTranslation();
  const language = useLanguage();
  const { call } = useSession();
  const [leaving, setLeaving] = useState(false);
  const renew = useMutation({
    mutationFn: () => security.recoveryCodes(call),
    onSuccess: ({ recovery_codes }) => onCodes(recovery_codes),
  });
  const off = useMutation({ mutationFn: () => security.disable(call), onSuccess: onOff });
  const left = status.recovery_codes_left;
  return (
    <>
      <p>{t("factor.active")}</p>
      <p className={left <= FEW ? "notice" : "quiet-text"}>
        {t("factor.left", { count: left, shown: formatNumber(left, language) })}
      </p>
      <Failure error={renew.error ?? off.error} />
      {leaving ? (
        <div className="notice" role="alertdialog" aria-label={t("factor.turnOff")}>
          <p>{t("factor.sure")}</p>
          <div className="actions">
            <button type="button" className="button danger" onClick={() => off.mutate()} disabled={off.isPending}>
              {off.isPending ? t("busy") : t("factor.turnOff")}
            </button>
            <button type="button" className="button quiet" onClick={() => setLeaving(false)}>
              {t("cancel")}
            </button>
          </div>
        </div>
      ) : (
        <div className="actions">
          <button type="button" className="button" onClick={() => renew.mutate()} disabled={renew.isPending}>
            {renew.isPending ? t("busy") : t("factor.renew")}
          </button>
          <button type="button" className="button quiet" onClick={() => setLeaving(true)}>
            {t("factor.turnOff")}
          </button>
        </div>
      )}
    </>
  );
}
