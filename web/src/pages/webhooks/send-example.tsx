import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";

import { type Endpoint, webhooks } from "../../api/webhooks";
import { Failure } from "../../components/failure";
import { useSession } from "../../session/session";
import { useEventTypes } from "./event-types";

/** Sends an example of a type to one endpoint. */
export function SendExample({ endpoint }: { endpoint: Endpoint }) {
  const { t } = useTranslation();
  const { call } = useSession();
  const queries = useQueryClient();
  const id = useId();
  const types = useEventTypes();
  const names = endpoint.event_types.length > 0 ? endpoint.event_types : (types.data?.results ?? []).map(({ name }) => name);
  const [chosen, setChosen] = useState("");
  const type = names.includes(chosen) ? chosen : (names[0] ?? "");
  const send = useMutation({
    mutationFn: () => webhooks.sendExample(call, endpoint.id, type),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["webhooks", endpoint.id] }),
  });
  if (!endpoint.is_active) return null;
  return (
    <div className="field">
      <label htmlFor={id}>{t("webhooks.example")}</label>
      <div className="beside">
        <select id={id} dir="ltr" value={type} onChange={(event) => setChosen(event.target.value)}>
          {names.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <button type="button" className="button quiet" onClick={() => send.mutate()} disabled={send.isPending || !type}>
          {t("webhooks.exampleSend")}
        </button>
      </div>
      <p role="status" className="note">
        {send.isSuccess && t("webhooks.exampleSent")}
      </p>
      <Failure error={send.error} />
    </div>
  );
}
