import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import type { Me } from "../api/auth";
import { Failure } from "../components/failure";
import { Waiting } from "../components/waiting";
import { useSession } from "../session/session";

/** Who is logged in. */
export function useMe() {
  const { call } = useSession();
  return useQuery({ queryKey: ["me"], queryFn: () => call<Me>("GET", "/api/auth/me/") });
}

/** The person's roles in words. */
export function useRoles(me: Me | undefined): string {
  const { t } = useTranslation();
  const roles = [...new Set([me?.role ?? me?.clinic_role, me?.content_role])]
    .filter((role): role is string => Boolean(role))
    .map((role) => t(`role.${role}`, { defaultValue: role }));
  return roles.length > 0 ? roles.join(" · ") : t("staff.noRole");
}

/** After the login: who one is, and the way to the own account. */
export function Profile() {
  const { t } = useTranslation();
  const { leave } = useSession();
  const me = useMe();
  const roles = useRoles(me.data);
  const out = useMutation({ mutationFn: leave });
  return (
    <section className="card narrow">
      {me.isPending && <Waiting />}
      {me.data && (
        <>
          <h1 dir="auto">{t("staff.welcome", { name: me.data.full_name || me.data.phone_number })}</h1>
          <p>
            {t("staff.roles")}: <bdi>{roles}</bdi>
          </p>
        </>
      )}
      <Failure error={me.error ?? out.error} />
      <div className="actions">
        <Link to="/account" className="button">
          {t("account.open")}
        </Link>
        {me.data?.is_admin && (
          <Link to="/webhooks" className="button quiet">
            {t("webhooks.open")}
          </Link>
        )}
        <button type="button" className="button quiet" onClick={() => out.mutate()} disabled={out.isPending}>
          {t("staff.logout")}
        </button>
      </div>
    </section>
  );
}
