import { useState } from "react";
import { useTranslation } from "react-i18next";

/** Copies a text and says that it did, or that the browser does not let it. */
export function CopyButton({ text }: { text: string }) {
  const { t } = useTranslation();
  const [said, setSaid] = useState<"copied" | "copyFailed" | undefined>(undefined);
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => setSaid("copied"),
      () => setSaid("copyFailed"),
    );
  };
  return (
    <span className="copy">
      <button type="button" className="button quiet small" onClick={copy}>
        {t("copy")}
      </button>
      <span role="status" className="note">
        {said && t(said)}
      </span>
    </span>
  );
}
