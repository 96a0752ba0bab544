import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { webhooks } from "../../api/webhooks";
import { Failure } from "../../components/failure";
import { Waiting } from "../../components/waiting";
import { useSession } from "../../session/session";

/** What endpoints can be told. */
export function useEventTypes() {
  const { call } = useSession();
  return useQuery({ queryKey: ["event-types"], queryFn: () => webhooks.eventTypes(call), staleTime: 60_000 });
}

/** Chooses types; none chosen means all. */
export function EventTypes({ chosen, onChange }: { chosen: string[]; onChange: (chosen: string[]) => void }) {
  const { t } = useTranslation();
  const types = useEventTypes();
  const toggle = (name: string) =>
    onChange(chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name]);
  return (
    <fieldset className="choices">
      <legend>{t("webhooks.types")}</legend>
      <p className="note">{t("webhooks.typesHint")}</p>
      {types.isPending && <Waiting />}
      <Failure error={types.error} />
      {types.data?.results.map(({ name, description }) => (
        <label key={name}>
          <input type="checkbox" checked={chosen.includes(name)} onChange={() => toggle(name)} />
          <span>
            <code dir="ltr">{name}</code>
            <span className="note" lang="en" dir="ltr">
              {description}
            </span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}
