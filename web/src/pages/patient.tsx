import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { downloadUrl, listReports, type PatientLogin, portalLogin, portalLogout } from "../api/portal";
import { Failure } from "../components/failure";
import { Field } from "../components/field";
import { formatDate, formatNumber, initialLanguage, isLanguage } from "../i18n/languages";

const keyPattern = /^[A-Z0-9]{12}$/;
const passwordPattern = /^[a-z0-9]{8}$/;

/** The patient's door: permanent key and password, then the results (R03, R06, R17). */
export function Patient() {
  const [login, setLogin] = useState<PatientLogin | null>(null);
  return login ? <Results login={login} onLogout={() => setLogin(null)} /> : <KeyForm onLogin={setLogin} />;
}

function KeyForm({ onLogin }: { onLogin: (login: PatientLogin) => void }) {
  const { t, i18n } = useTranslation();
  const [key, setKey] = useState("");
  const [password, setPassword] = useState("");
  const [touched, setTouched] = useState(false);
  const login = useMutation({
    mutationFn: () => portalLogin(key, password, i18n.language),
    onSuccess: onLogin,
  });
  const keyBad = !keyPattern.test(key);
  const passwordBad = !passwordPattern.test(password);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTouched(true);
    if (!keyBad && !passwordBad) login.mutate();
  };
  return (
    <form className="card narrow" onSubmit={submit} noValidate>
      <h1>{t("patient.title")}</h1>
      <Field
        label={t("patient.key")}
        dir="ltr"
        autoComplete="username"
        autoCapitalize="characters"
        spellCheck={false}
        maxLength={12}
        value={key}
        onChange={(event) => setKey(event.target.value.trim().toUpperCase())}
        error={touched && keyBad ? t("patient.keyInvalid") : undefined}
      />
      <Field
        label={t("patient.password")}
        dir="ltr"
        type="password"
        autoComplete="current-password"
        maxLength={8}
        value={password}
        onChange={(event) => setPassword(event.target.value.trim().toLowerCase())}
        error={touched && passwordBad ? t("patient.passwordInvalid") : undefined}
      />
      <p className="note">{t("patient.hint")}</p>
      <Failure error={login.error} />
      <button type="submit" className="button" disabled={login.isPending}>
        {login.isPending ? t("busy") : t("patient.submit")}
      </button>
    </form>
  );
}

function Results({ login, onLogout }: { login: PatientLogin; onLogout: () => void }) {
  const { t, i18n } = useTranslation();
  const language = isLanguage(i18n.language) ? i18n.language : initialLanguage();
  const reports = useQuery({ queryKey: ["reports", login.patient.id], queryFn: listReports });
  const logout = useMutation({ mutationFn: portalLogout, onSuccess: onLogout });
  const count = login.access_info.access_count;
  return (
    <section className="card">
      <div className="title-row">
        <h1>{t("patient.results")}</h1>
        <button type="button" className="button quiet" onClick={() => logout.mutate()} disabled={logout.isPending}>
          {t("patient.logout")}
        </button>
      </div>
      <p>
        <bdi>{login.patient.full_name}</bdi> · {t("patient.accesses", { count, shown: formatNumber(count, language) })}
      </p>
      <Failure error={reports.error ?? logout.error} />
      {reports.isPending && <p role="status">{t("busy")}</p>}
      {reports.data?.length === 0 && <p>{t("patient.none")}</p>}
      <ul className="reports">
        {reports.data?.map((report) => (
          <li key={report.id}>
            <div>
              <strong dir="auto">{report.report_file}</strong>
              <span className="note">
                {formatDate(report.created_at, language)} · <bdi>{report.file_size}</bdi> ·{" "}
                {t("patient.downloads", {
                  count: report.download_count,
                  shown: formatNumber(report.download_count, language),
                })}
              </span>
            </div>
            {report.is_accessible ? (
              <a className="button" href={downloadUrl(report.id)} download>
                {t("patient.download")}
              </a>
            ) : (
              <span className="note">{t("patient.unavailable")}</span>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
