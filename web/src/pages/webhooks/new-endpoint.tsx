import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { type EndpointInput, webhooks } from "../../api/webhooks";
import { useSession } from "../../session/session";
import { EndpointForm } from "./endpoint-form";
import { Secret } from "./secret";

/** Registers an endpoint and shows its secret once. */
export function NewEndpoint() {
  const { t } = useTranslation();
  const { call } = useSession();
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const [secret, setSecret] = useState<string | undefined>(undefined);
  const create = useMutation({
    mutationFn: (input: EndpointInput) => webhooks.create(call, input),
    onSuccess: (made) => {
      setOpen(false);
      setSecret(made.secret);
      return queries.invalidateQueries({ queryKey: ["webhooks"] });
    },
  });
  if (secret) return <Secret secret={secret} onDone={() => setSecret(undefined)} />;
  if (!open) {
    return (
      <div>
        <button
          type="button"
          className="button"
          onClick={() => {
            create.reset();
            setOpen(true);
          }}
        >
          {t("webhooks.add")}
        </button>
      </div>
    );
  }
  return (
    <section className="card" aria-labelledby="new-endpoint">
      <h2 id="new-endpoint">{t("webhooks.new")}</h2>
      <EndpointForm error={create.error} busy={create.isPending} onSave={create.mutate} onCancel={() => setOpen(false)} />
    </section>
  );
}
