import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { type Call, security } from "../api/security";
import { Dialog } from "../components/dialog";
import { Failure } from "../components/failure";
import { Field } from "../components/field";

/** Asks the person for a fresh proof before a sensitive action: by the application, an SMS code or the password. */
export function StepUp({
  call,
  onProved,
  onGivenUp,
}: {
  call: Call;
  onProved: (access: string) => void;
  onGivenUp: () => void;
}) {
  const { t } = useTranslation();
  const [code, setCode] = useState("");
  // Each opening of the dialog asks once; a kept answer would name a code that is gone.
  const asked = useQuery({
    queryKey: ["step-up"],
    queryFn: () => security.requestStepUp(call),
    staleTime: Infinity,
    gcTime: 0,
    retry: false,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
  const verify = useMutation({
    mutationFn: () => security.verifyStepUp(call, code),
    onSuccess: ({ access }) => onProved(access),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    verify.mutate();
  };
  const method = asked.data?.method;
  return (
    <Dialog title={t("stepUp.title")} onClose={onGivenUp}>
      <form onSubmit={submit}>
        <p>{t("stepUp.why")}</p>
        {asked.isPending && <p role="status">{t("busy")}</p>}
        {method && (
          <Field
            key={method}
            label={t(`stepUp.${method}`)}
            hint={t(`stepUp.${method}Hint`)}
            dir="ltr"
            type={method === "password" ? "password" : "text"}
            inputMode={method === "sms" ? "numeric" : undefined}
            autoComplete={method === "password" ? "current-password" : "one-time-code"}
            required
            autoFocus
            value={code}
            onChange={(event) => setCode(event.target.value)}
          />
        )}
        <Failure error={verify.error ?? asked.error} />
        <div className="actions">
          <button type="submit" className="button" disabled={!method || verify.isPending}>
            {verify.isPending ? t("busy") : t("stepUp.confirm")}
          </button>
          <button type="button" className="button quiet" onClick={onGivenUp}>
            {t("cancel")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
