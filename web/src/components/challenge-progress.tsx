import { useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";

import { searchProgress } from "../challenge/solve";

/** Shown while the browser answers a challenge: why it takes a while, and how far it is. */
export function ChallengeProgress() {
  const { t } = useTranslation();
  const progress = useSyncExternalStore(searchProgress.subscribe, searchProgress.read);
  if (progress === undefined) return null;
  return (
    <div className="working" role="status">
      <p>{t("challenge.working")}</p>
      <progress aria-label={t("challenge.progress")} max={1} value={progress} />
    </div>
  );
}
