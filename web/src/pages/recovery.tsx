import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { recover } from "../api/auth";
import { Failure } from "../components/failure";
import { Field } from "../components/field";
import { useSession } from "../session/session";

/** Who lost phone and application gets in by a code that an admin made. */
export function Recovery() {
  const { t, i18n } = useTranslation();
  const session = useSession();
  const navigate = useNavigate();
  const [code, setCode] = useState("");
  const use = useMutation({
    mutationFn: () => recover(code, i18n.language),
    onSuccess: ({ access }) => {
      // Its refresh token is not in the cookie: this session ends with the page.
      session.enter(access, false);
      void navigate({ to: "/account" });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    use.mutate();
  };
  return (
    <form className="card narrow" onSubmit={submit}>
      <h1>{t("recovery.title")}</h1>
      <p>{t("recovery.text")}</p>
      <Field
        label={t("recovery.code")}
        hint={t("recovery.hint")}
        dir="ltr"
        autoComplete="off"
        autoCapitalize="characters"
        spellCheck={false}
        maxLength={60}
        required
        value={code}
        onChange={(event) => setCode(event.target.value)}
      />
      <Failure error={use.error} />
      <button type="submit" className="button" disabled={use.isPending}>
        {use.isPending ? t("busy") : t("recovery.submit")}
      </button>
      <div className="links">
        <Link to="/login" className="link">
          {t("recovery.back")}
        </Link>
      </div>
    </form>
  );
}
