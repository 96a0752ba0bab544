import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";

import { type Delivery, type DeliveryState, type Endpoint, webhooks } from "../../api/webhooks";
import { Failure } from "../../components/failure";
import { Pager } from "../../components/pager";
import { Waiting } from "../../components/waiting";
import { formatMoment, formatNumber, useLanguage } from "../../i18n/languages";
import { useSession } from "../../session/session";

const STATES: DeliveryState[] = ["pending", "sending", "delivered", "failed"];
/** What is still under way is looked at again, in milliseconds. */
const AGAIN_MS = 3_000;
const DAY_MS = 86_400_000;

/** What an endpoint was sent, newest first. */
export function Deliveries({ endpoint }: { endpoint: Endpoint }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const { call } = useSession();
  const queries = useQueryClient();
  const id = useId();
  const [page, setPage] = useState(1);
  const [state, setState] = useState<DeliveryState | "">("");
  const list = useQuery({
    queryKey: ["webhooks", endpoint.id, "deliveries", page, state],
    queryFn: () => webhooks.deliveries(call, endpoint.id, page, state),
    placeholderData: keepPreviousData,
    refetchInterval: (query) =>
      query.state.data?.results.some((one) => one.state === "pending" || one.state === "sending") ? AGAIN_MS : false,
  });
  const recover = useMutation({
    mutationFn: () => webhooks.recover(call, endpoint.id, new Date(Date.now() - 7 * DAY_MS).toISOString()),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["webhooks", endpoint.id] }),
  });
  const found = list.data?.results ?? [];
  return (
    <div className="log">
      <div className="beside">
        <label htmlFor={id}>{t("webhooks.state")}</label>
        <select
          id={id}
          value={state}
          onChange={(event) => {
            setState(event.target.value as DeliveryState | "");
            setPage(1);
          }}
        >
          <option value="">{t("webhooks.states.all")}</option>
          {STATES.map((one) => (
            <option key={one} value={one}>
              {t(`webhooks.states.${one}`)}
            </option>
          ))}
        </select>
        <button type="button" className="button quiet small" onClick={() => recover.mutate()} disabled={recover.isPending}>
          {t("webhooks.recover")}
        </button>
      </div>
      <p role="status" className="note">
        {recover.data && t("webhooks.recovering", { count: recover.data.recovering, shown: formatNumber(recover.data.recovering, language) })}
      </p>
      {list.isPending && <Waiting />}
      <Failure error={list.error ?? recover.error} />
      {list.isSuccess && found.length === 0 && <p className="quiet-text">{t("webhooks.nothingSent")}</p>}
      <ul className="rows">
        {found.map((delivery) => (
          <Row key={delivery.id} delivery={delivery} endpoint={endpoint.id} />
        ))}
      </ul>
      <Pager page={page} more={Boolean(list.data?.next)} onPage={setPage} />
    </div>
  );
}

function Row({ delivery, endpoint }: { delivery: Delivery; endpoint: string }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const { call } = useSession();
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const resend = useMutation({
    mutationFn: () => webhooks.resend(call, delivery.message_id, endpoint),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["webhooks", endpoint] }),
  });
  const ended = delivery.state === "delivered" || delivery.state === "failed";
  return (
    <li>
      <div>
        <code dir="ltr">{delivery.event_type}</code>{" "}
        <span className={delivery.state === "delivered" ? "tag good" : "tag"}>{t(`webhooks.states.${delivery.state}`)}</span>
        <span className="note">
          {formatMoment(delivery.created_at, language)} ·{" "}
          {t("webhooks.tries", { count: delivery.attempts, shown: formatNumber(delivery.attempts, language) })}
          {delivery.due_at && ` · ${t("webhooks.nextTry", { time: formatMoment(delivery.due_at, language) })}`}
        </span>
      </div>
      <div className="actions">
        <button type="button" className="button quiet small" aria-expanded={open} onClick={() => setOpen(!open)}>
          {t("webhooks.attempts")}
        </button>
        {ended && (
          <button type="button" className="button quiet small" onClick={() => resend.mutate()} disabled={resend.isPending}>
            {t("webhooks.resend")}
          </button>
        )}
      </div>
      <Failure error={resend.error} />
      {open && <Attempts message={delivery.message_id} endpoint={endpoint} tries={delivery.attempts} />}
    </li>
  );
}

function Attempts({ message, endpoint, tries }: { message: string; endpoint: string; tries: number }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const { call } = useSession();
  const list = useQuery({
    queryKey: ["webhooks", endpoint, "attempts", message, tries],
    queryFn: () => webhooks.attempts(call, message),
  });
  const own = (list.data?.results ?? []).filter((attempt) => attempt.endpoint_id === endpoint);
  if (list.isPending) return <Waiting />;
  return (
    <div className="attempts">
      <Failure error={list.error} />
      {list.isSuccess && own.length === 0 && <p className="quiet-text">{t("webhooks.noAttempts")}</p>}
      <ol>
        {own.map((attempt) => (
          <li key={attempt.id}>
            {formatMoment(attempt.attempted_at, language)} ·{" "}
            {attempt.status_code === null
              ? t(`webhooks.errors.${attempt.error ?? "unreachable"}`)
              : t("webhooks.answered", { status: attempt.status_code })}{" "}
            · {t("webhooks.milliseconds", { time: formatNumber(attempt.duration_ms, language) })}
          </li>
        ))}
      </ol>
    </div>
  );
}
