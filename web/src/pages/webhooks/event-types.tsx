import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { webhooks } from "../../api/webhooks";
import { Failure } from "../../components/failure";
import { Waiting } from "../../components/waiting";
import { useLanguage } from "../../i18n/languages";
import { useSession } from "../../session/session";

/** What endpoints can be told, in the language of the page. */
export function useEventTypes() {
  const { call } = useSession();
  const language = useLanguage();
  return useQuery({
    queryKey: ["event-types", language],
    queryFn: () => webhooks.eventTypes(call, language),
    staleTime: 60_000,
    // The choices stay on the page while their descriptions come in another language.
    placeholderData: keepPreviousData,
  });
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
            <span className="note" dir="auto">
              {description}
            </span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}
