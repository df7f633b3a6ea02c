import { Button, PasswordInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { Problem, signIn } from "../../api/client";
import css from "./SignIn.module.css";

/** Trades the token of the first start for a session. */
export function SignIn({ onDone }: { onDone: () => void }) {
  const { t } = useTranslation();
  const [token, setToken] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<"wrong" | "failed" | null>(null);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    signIn(token.trim())
      .then(onDone)
      .catch((cause: unknown) =>
        setError(cause instanceof Problem && cause.status < 500 ? "wrong" : "failed"),
      )
      .finally(() => setBusy(false));
  };

  return (
    <div className={css.page}>
      <form className={css.form} onSubmit={submit}>
        <img src="/icon.svg" alt="" width={40} height={40} />
        <h1>{t("signin.title")}</h1>
        <p>{t("signin.lead")}</p>
        <PasswordInput
          label={t("signin.token")}
          value={token}
          onChange={(event) => setToken(event.currentTarget.value)}
          autoComplete="current-password"
          data-autofocus
          required
          withAsterisk={false}
          error={error === null ? null : t(`signin.${error}`)}
          styles={{ error: { color: "var(--alarm)" } }}
        />
        <Button type="submit" loading={busy} disabled={token.trim() === ""} fullWidth>
          {t("signin.submit")}
        </Button>
      </form>
    </div>
  );
}
