import { Modal } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useKeySheet } from "../../ui/key-sheet";
import css from "./KeySheet.module.css";

const KEYS: [string[], string][] = [
  [["/"], "keys.find"],
  [["← ↑ → ↓"], "keys.move"],
  [["Enter"], "keys.maximise"],
  [["Esc"], "keys.back"],
  [["Alt", "1…8"], "keys.grid"],
  [["Ctrl", "Enter"], "keys.pick"],
  [["Del"], "keys.remove"],
  [["F"], "keys.full"],
  [["?"], "keys.help"],
];

/** The keys of this page. */
export function KeySheet() {
  const { t } = useTranslation("live");
  const { open, close } = useKeySheet();
  return (
    <Modal
      opened={open}
      onClose={close}
      title={t("keys.title")}
      centered
      closeButtonProps={{ "aria-label": t("keys.close") }}
    >
      <dl className={css.keys}>
        {KEYS.map(([keys, name]) => (
          <div key={name}>
            <dt>{t(name)}</dt>
            <dd dir="ltr">
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
