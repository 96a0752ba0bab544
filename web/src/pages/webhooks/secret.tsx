import { useTranslation } from "react-i18next";

import { CopyButton } from "../../components/copy-button";
import { Dialog } from "../../components/dialog";
import { formatMoment, useLanguage } from "../../i18n/languages";

interface SecretProps {
  secret: string;
  /** Until when the one before signs too. */
  previousUntil?: string | null;
  onDone: () => void;
}

/** A signing secret, shown once. */
export function Secret({ secret, previousUntil, onDone }: SecretProps) {
  const { t } = useTranslation();
  const language = useLanguage();
  return (
    <Dialog title={t("webhooks.secret")} onClose={onDone}>
      <p>{t("webhooks.secretOnce")}</p>
      <p>
        <code dir="ltr">{secret}</code>
      </p>
      {previousUntil && (
        <p className="quiet-text">{t("webhooks.secretBefore", { time: formatMoment(previousUntil, language) })}</p>
      )}
      <div className="actions">
        <CopyButton text={secret} />
        <button type="button" className="button" onClick={onDone}>
          {t("webhooks.secretKept")}
        </button>
      </div>
    </Dialog>
  );
}
