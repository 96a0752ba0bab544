import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Navigate } from "@tanstack/react-router";
import { useDeferredValue, useState } from "react";
import { useTranslation } from "react-i18next";

import { webhooks } from "../../api/webhooks";
import { Failure } from "../../components/failure";
import { Field } from "../../components/field";
import { Pager } from "../../components/pager";
import { Waiting } from "../../components/waiting";
import { useSession } from "../../session/session";
import { useMe } from "../profile";
import { EndpointCard } from "./endpoint-card";
import { NewEndpoint } from "./new-endpoint";

/** The clinic's outgoing webhooks: addresses, secrets, test events and what was sent. For admins. */
export function Webhooks() {
  const { state } = useSession();
  const me = useMe();
  const { t } = useTranslation();
  if (state === "asking" || (state === "in" && me.isPending)) return <Waiting />;
  if (state === "out") return <Navigate to="/login" replace />;
  if (me.error) return <Failure error={me.error} />;
  if (!me.data?.is_admin) {
    return (
      <p className="notice" role="note">
        {t("webhooks.adminsOnly")}
      </p>
    );
  }
  return <List />;
}

function List() {
  const { t } = useTranslation();
  const { call } = useSession();
  const [page, setPage] = useState(1);
  const [text, setText] = useState("");
  const search = useDeferredValue(text.trim());
  const list = useQuery({
    queryKey: ["webhooks", page, search],
    queryFn: () => webhooks.endpoints(call, page, search),
    placeholderData: keepPreviousData,
  });
  const found = list.data?.results ?? [];
  const asks = text !== "" || page > 1 || Boolean(list.data?.next);
  return (
    <div className="rooms">
      <div>
        <h1>{t("webhooks.title")}</h1>
        <p className="quiet-text">{t("webhooks.why")}</p>
      </div>
      <NewEndpoint />
      {asks && (
        <Field
          label={t("webhooks.search")}
          type="search"
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setPage(1);
          }}
        />
      )}
      {list.isPending && <Waiting />}
      <Failure error={list.error} />
      {list.isSuccess && found.length === 0 && <p className="quiet-text">{t(asks ? "webhooks.noneFound" : "webhooks.none")}</p>}
      {found.map((endpoint) => (
        <EndpointCard key={endpoint.id} endpoint={endpoint} />
      ))}
      <Pager page={page} more={Boolean(list.data?.next)} onPage={setPage} />
    </div>
  );
}
