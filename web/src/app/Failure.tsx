import { Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import css from "./Shell.module.css";

/** What stands in place of a page that failed. */
export function Failure() {
  const { t } = useTranslation();
  return (
    <div className={css.failure} role="alert">
      <p>{t("failure.title")}</p>
      <Button onClick={() => window.location.reload()}>{t("failure.again")}</Button>
    </div>
  );
}
