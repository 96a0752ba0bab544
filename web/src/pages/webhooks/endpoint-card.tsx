import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";

import { type Endpoint, type EndpointInput, type Statistics, webhooks } from "../../api/webhooks";
import { Dialog } from "../../components/dialog";
import { Failure } from "../../components/failure";
import { formatMoment, formatNumber, useLanguage } from "../../i18n/languages";
import { useSession } from "../../session/session";
import { Deliveries } from "./deliveries";
import { EndpointForm } from "./endpoint-form";
import { Secret } from "./secret";
import { SendExample } from "./send-example";

type Shown = "log" | "edit" | undefined;

/** One endpoint: how it does, and what can be done with it. */
export function EndpointCard({ endpoint }: { endpoint: Endpoint }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const { call } = useSession();
  const queries = useQueryClient();
  const title = useId();
  const [shown, setShown] = useState<Shown>(undefined);
  const [asked, setAsked] = useState<"rotate" | "remove" | undefined>(undefined);
  const again = () => queries.invalidateQueries({ queryKey: ["webhooks"] });
  const change = useMutation({
    mutationFn: (input: EndpointInput) => webhooks.update(call, endpoint.id, input),
    onSuccess: () => {
      setShown(undefined);
      return again();
    },
  });
  const toggle = useMutation({
    mutationFn: () => webhooks.update(call, endpoint.id, { is_active: !endpoint.is_active }),
    onSuccess: again,
  });
  const rotate = useMutation({ mutationFn: () => webhooks.rotate(call, endpoint.id) });
  const remove = useMutation({
    mutationFn: () => webhooks.remove(call, endpoint.id),
    // Its own statistics and log are gone: asking for them again would show "not found" until the card goes.
    onSuccess: () =>
      queries.invalidateQueries({ queryKey: ["webhooks"], predicate: ({ queryKey }) => queryKey[1] !== endpoint.id }),
  });
  const statistics = useQuery({
    queryKey: ["webhooks", endpoint.id, "statistics"],
    queryFn: () => webhooks.statistics(call, endpoint.id),
  });
  const show = (what: Shown) => setShown(shown === what ? undefined : what);
  return (
    <section className="card" aria-labelledby={title}>
      <div className="title-row">
        <h2 id={title} dir="auto">
          {endpoint.name || endpoint.url}
        </h2>
        <State endpoint={endpoint} />
      </div>
      <p>
        <code dir="ltr">{endpoint.url}</code>
      </p>
      <p className="quiet-text">
        {endpoint.event_types.length === 0 ? t("webhooks.allTypes") : <bdi dir="ltr">{endpoint.event_types.join(", ")}</bdi>}
        {endpoint.ordered && ` · ${t("webhooks.inOrder")}`}
      </p>
      {endpoint.failing_since && (
        <p className="notice" role="note">
          {t("webhooks.failingSince", { time: formatMoment(endpoint.failing_since, language) })}
        </p>
      )}
      {statistics.data && <Numbers statistics={statistics.data} />}
      <SendExample endpoint={endpoint} />
      <Failure error={toggle.error ?? rotate.error ?? remove.error ?? statistics.error} />
      <div className="actions">
        <button type="button" className="button quiet small" aria-expanded={shown === "log"} onClick={() => show("log")}>
          {t("webhooks.log")}
        </button>
        <button type="button" className="button quiet small" aria-expanded={shown === "edit"} onClick={() => show("edit")}>
          {t("webhooks.edit")}
        </button>
        <button type="button" className="button quiet small" onClick={() => toggle.mutate()} disabled={toggle.isPending}>
          {t(endpoint.is_active ? "webhooks.turnOff" : "webhooks.turnOn")}
        </button>
        <button type="button" className="button quiet small" onClick={() => setAsked("rotate")}>
          {t("webhooks.rotate")}
        </button>
        <button type="button" className="button quiet small" onClick={() => setAsked("remove")}>
          {t("webhooks.remove")}
        </button>
      </div>
      {shown === "edit" && (
        <EndpointForm
          endpoint={endpoint}
          error={change.error}
          busy={change.isPending}
          onSave={change.mutate}
          onCancel={() => setShown(undefined)}
        />
      )}
      {shown === "log" && <Deliveries endpoint={endpoint} />}
      {asked && (
        <Sure
          what={asked}
          onYes={() => {
            setAsked(undefined);
            if (asked === "rotate") rotate.mutate();
            else remove.mutate();
          }}
          onNo={() => setAsked(undefined)}
        />
      )}
      {rotate.data && (
        <Secret secret={rotate.data.secret} previousUntil={rotate.data.previous_valid_until} onDone={rotate.reset} />
      )}
    </section>
  );
}

function State({ endpoint }: { endpoint: Endpoint }) {
  const { t } = useTranslation();
  if (endpoint.is_active) return <span className="tag good">{t("webhooks.active")}</span>;
  return <span className="tag">{t(`webhooks.off.${endpoint.disabled_reason ?? "manual"}`)}</span>;
}

function Numbers({ statistics }: { statistics: Statistics }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const number = (value: number) => formatNumber(Math.round(value), language);
  const items: [string, number][] = [
    [t("webhooks.delivered"), statistics.delivered],
    [t("webhooks.failed"), statistics.failed],
    [t("webhooks.openNumber"), statistics.open],
  ];
  return (
    <dl className="numbers" aria-label={t("webhooks.week")}>
      {items.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{number(value)}</dd>
        </div>
      ))}
      {statistics.median_ms !== null && (
        <div>
          <dt>{t("webhooks.median")}</dt>
          <dd>{t("webhooks.milliseconds", { time: number(statistics.median_ms) })}</dd>
        </div>
      )}
    </dl>
  );
}

function Sure({ what, onYes, onNo }: { what: "rotate" | "remove"; onYes: () => void; onNo: () => void }) {
  const { t } = useTranslation();
  return (
    <Dialog title={t(`webhooks.${what}`)} onClose={onNo}>
      <p>{t(`webhooks.${what}Sure`)}</p>
      <div className="actions">
        <button type="button" className={what === "remove" ? "button danger" : "button"} onClick={onYes}>
          {t(`webhooks.${what}`)}
        </button>
        <button type="button" className="button quiet" onClick={onNo}>
          {t("cancel")}
        </button>
      </div>
    </Dialog>
  );
}
