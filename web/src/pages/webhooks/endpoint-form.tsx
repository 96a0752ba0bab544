import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { ApiError } from "../../api/client";
import type { Endpoint, EndpointInput } from "../../api/webhooks";
import { Failure } from "../../components/failure";
import { Field } from "../../components/field";
import { EventTypes } from "./event-types";

interface EndpointFormProps {
  /** What is changed; absent for a new one. */
  endpoint?: Endpoint;
  error: Error | null;
  busy: boolean;
  onSave: (input: EndpointInput) => void;
  onCancel: () => void;
}

/** The form of an endpoint, new or not. */
export function EndpointForm({ endpoint, error, busy, onSave, onCancel }: EndpointFormProps) {
  const { t } = useTranslation();
  const [name, setName] = useState(endpoint?.name ?? "");
  const [url, setUrl] = useState(endpoint?.url ?? "");
  const [email, setEmail] = useState(endpoint?.notify_email ?? "");
  const [ordered, setOrdered] = useState(endpoint?.ordered ?? false);
  const [types, setTypes] = useState(endpoint?.event_types ?? []);
  const of = (field: string) => refusalOf(error, field);
  const save = (event: FormEvent) => {
    event.preventDefault();
    onSave({ name: name.trim(), url: url.trim(), event_types: types, ordered, notify_email: email.trim() });
  };
  return (
    <form onSubmit={save}>
      <Field label={t("webhooks.name")} required maxLength={100} value={name} onChange={(e) => setName(e.target.value)} error={of("name")} />
      <Field
        label={t("webhooks.url")}
        hint={t("webhooks.urlHint")}
        type="url"
        dir="ltr"
        required
        value={url}
        onChange={(e) => setUrl(e.target.value)}
        error={of("url")}
      />
      <Field
        label={t("webhooks.email")}
        hint={t("webhooks.emailHint")}
        type="email"
        dir="ltr"
        value={email}
        onChange={(e) => setEmail(e.target.value)}
        error={of("notify_email")}
      />
      <EventTypes chosen={types} onChange={setTypes} />
      <label className="choice">
        <input type="checkbox" checked={ordered} onChange={(e) => setOrdered(e.target.checked)} />
        <span>
          {t("webhooks.ordered")}
          <span className="note">{t("webhooks.orderedHint")}</span>
        </span>
      </label>
      {!["name", "url", "notify_email"].some(of) && <Failure error={error} />}
      <div className="actions">
        <button type="submit" className="button" disabled={busy}>
          {busy ? t("busy") : t("webhooks.save")}
        </button>
        <button type="button" className="button quiet" onClick={onCancel}>
          {t("cancel")}
        </button>
      </div>
    </form>
  );
}

/** What the answer says about one field. */
function refusalOf(error: Error | null, field: string): string | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const said = error.body[field];
  return Array.isArray(said) && typeof said[0] === "string" ? said[0] : undefined;
}
