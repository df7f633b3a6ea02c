import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { Camera } from "../../api/types";

/** Names in the language of the page; the other language where one is missing. */
export function useNames() {
  const { t, i18n } = useTranslation("live");
  const arabic = i18n.language === "ar";
  return useMemo(
    () => ({
      camera: (camera: Camera | undefined, id: string) =>
        (arabic ? camera?.name_ar || camera?.name : camera?.name || camera?.name_ar) || id.slice(0, 8),
      agency: (source: string) => t(`agency.${source}`, { defaultValue: source }),
    }),
    [arabic, t],
  );
}
