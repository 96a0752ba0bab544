import { useQuery } from "@tanstack/react-query";
import { Navigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import { security } from "../../api/security";
import { Failure } from "../../components/failure";
import { Waiting } from "../../components/waiting";
import { useSession } from "../../session/session";
import { useMe, useRoles } from "../profile";
import { Phone } from "./phone";
import { Rescue } from "./rescue";
import { SecondFactor } from "./second-factor";
import { Sessions } from "./sessions";

/** The account and its security: authenticator, recovery codes, phone, sessions. */
export function Account() {
  const { state } = useSession();
  if (state === "asking") return <Waiting />;
  if (state === "out") return <Navigate to="/login" replace />;
  return <Rooms />;
}

function Rooms() {
  const { t } = useTranslation();
  const { call } = useSession();
  const me = useMe();
  const roles = useRoles(me.data);
  const factor = useQuery({ queryKey: ["second-factor"], queryFn: () => security.status(call) });
  return (
    <div className="rooms">
      <div>
        <h1>{t("account.title")}</h1>
        {me.data && (
          <p className="quiet-text">
            <bdi>{me.data.full_name || me.data.username}</bdi> · <bdi>{roles}</bdi>
          </p>
        )}
      </div>
      {factor.data?.required && !factor.data.enabled && (
        <p className="notice" role="note">
          {t("factor.required")}
        </p>
      )}
      <Failure error={me.error ?? factor.error} />
      {factor.isPending && <Waiting />}
      {factor.data && <SecondFactor status={factor.data} />}
      {me.data && <Phone current={me.data.phone_number} />}
      <Sessions />
      {me.data?.is_admin && me.data.organization && <Rescue self={me.data.id} organization={me.data.organization} />}
    </div>
  );
}
