import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { security, type Session } from "../../api/security";
import { Failure } from "../../components/failure";
import { Waiting } from "../../components/waiting";
import { formatMoment, useLanguage } from "../../i18n/languages";
import { useSession } from "../../session/session";

/** Where the person is logged in; each session, or all others, can be ended. */
export function Sessions() {
  const { t } = useTranslation();
  const { call } = useSession();
  const queries = useQueryClient();
  const list = useQuery({ queryKey: ["sessions"], queryFn: () => security.sessions(call) });
  const again = () => queries.invalidateQueries({ queryKey: ["sessions"] });
  const end = useMutation({ mutationFn: (id: number) => security.endSession(call, id), onSuccess: again });
  const endOthers = useMutation({ mutationFn: () => security.endOthers(call), onSuccess: again });
  const others = (list.data ?? []).filter((session) => !session.current);
  return (
    <section className="card" aria-labelledby="sessions">
      <h2 id="sessions">{t("sessions.title")}</h2>
      <p className="quiet-text">{t("sessions.why")}</p>
      {list.isPending && <Waiting />}
      <ul className="rows">
        {(list.data ?? []).map((session) => (
          <Row key={session.id} session={session} busy={end.isPending} onEnd={() => end.mutate(session.id)} />
        ))}
      </ul>
      <Failure error={end.error ?? endOthers.error ?? list.error} />
      {others.length > 0 && (
        <button
          type="button"
          className="button quiet"
          onClick={() => endOthers.mutate()}
          disabled={endOthers.isPending}
        >
          {endOthers.isPending ? t("busy") : t("sessions.endOthers")}
        </button>
      )}
    </section>
  );
}

function Row({ session, busy, onEnd }: { session: Session; busy: boolean; onEnd: () => void }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const name = [session.browser, session.device].filter(Boolean).join(" · ") || t("sessions.unknown");
  return (
    <li>
      <div>
        <bdi>{name}</bdi> {session.current && <span className="tag good">{t("sessions.current")}</span>}{" "}
        {session.second_factor && <span className="tag">{t("sessions.second")}</span>}
        <span className="note">
          {t("sessions.seen", { time: formatMoment(session.last_seen, language) })} ·{" "}
          <bdi dir="ltr">{session.ip_address}</bdi>
        </span>
      </div>
      {!session.current && (
        <button
          type="button"
          className="button quiet small"
          onClick={onEnd}
          disabled={busy}
          aria-label={t("sessions.endOne", { name })}
        >
          {t("sessions.end")}
        </button>
      )}
    </li>
  );
}
