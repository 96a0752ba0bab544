import { useTranslation } from "react-i18next";

import { CopyButton } from "../../components/copy-button";

/** The recovery codes, shown this once: to be copied, kept as a file or printed. */
export function RecoveryCodes({ codes, onKept }: { codes: string[]; onKept: () => void }) {
  const { t } = useTranslation();
  const text = `${t("codes.file")}\n\n${codes.join("\n")}\n`;
  const keep = () => {
    const address = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = "tabib-recovery-codes.txt";
    link.click();
    URL.revokeObjectURL(address);
  };
  return (
    <div role="group" aria-labelledby="codes">
      <h3 id="codes">{t("codes.title")}</h3>
      <p className="notice" role="status">
        {t("codes.once")}
      </p>
      <ul className="codes" dir="ltr">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <div className="actions">
        <CopyButton text={codes.join("\n")} />
        <button type="button" className="button quiet small" onClick={keep}>
          {t("codes.download")}
        </button>
        <button type="button" className="button quiet small" onClick={() => window.print()}>
          {t("codes.print")}
        </button>
        <button type="button" className="button" onClick={onKept}>
          {t("codes.kept")}
        </button>
      </div>
    </div>
  );
}
