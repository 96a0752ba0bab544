import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { useTranslation } from "react-i18next";

import { security } from "../../api/security";
import { CopyButton } from "../../components/copy-button";
import { Failure } from "../../components/failure";
import { Field } from "../../components/field";
import { formatMoment, useLanguage } from "../../i18n/languages";
import { useSession } from "../../session/session";

/** For admins: a recovery code for a colleague who lost phone and authenticator. It is shown once and kept in the audit. */
export function Rescue({ self, organization }: { self: number; organization: number }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const { call } = useSession();
  const id = useId();
  const [person, setPerson] = useState("");
  const [reason, setReason] = useState("");
  const staff = useQuery({ queryKey: ["staff", organization], queryFn: () => security.staff(call, organization) });
  const make = useMutation({ mutationFn: () => security.rescue(call, Number(person), reason) });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate();
  };
  const again = () => {
    make.reset();
    setPerson("");
    setReason("");
  };
  return (
    <section className="card" aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>{t("rescue.title")}</h2>
      {make.data ? (
        <>
          <p className="notice" role="status">
            {t("rescue.once", { time: formatMoment(make.data.expires_at, language) })}
          </p>
          <p>
            <code dir="ltr">{make.data.code}</code>
          </p>
          <div className="actions">
            <CopyButton text={make.data.code} />
            <button type="button" className="button" onClick={again}>
              {t("rescue.done")}
            </button>
          </div>
        </>
      ) : (
        <form onSubmit={submit}>
          <p className="quiet-text">{t("rescue.why")}</p>
          <div className="field">
            <label htmlFor={`${id}-person`}>{t("rescue.person")}</label>
            <select id={`${id}-person`} required value={person} onChange={(event) => setPerson(event.target.value)}>
              <option value="" />
              {(staff.data ?? [])
                .filter(({ user }) => user.id !== self)
                .map(({ user }) => (
                  <option key={user.id} value={user.id}>
                    {[user.full_name, user.phone_number].filter(Boolean).join(" · ")}
                  </option>
                ))}
            </select>
          </div>
          <Field
            label={t("rescue.reason")}
            hint={t("rescue.reasonHint")}
            maxLength={500}
            required
            value={reason}
            onChange={(event) => setReason(event.target.value)}
          />
          <Failure error={make.error ?? staff.error} />
          <div className="actions">
            <button type="submit" className="button" disabled={make.isPending}>
              {make.isPending ? t("busy") : t("rescue.make")}
            </button>
          </div>
        </form>
      )}
    </section>
  );
}
