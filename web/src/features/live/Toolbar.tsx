import {
  IconLayoutGridAdd,
  IconLayoutSidebarLeftCollapse,
  IconLayoutSidebarLeftExpand,
  IconMaximize,
  IconTrash,
} from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { Camera } from "../../api/types";
import { RailButton } from "../../ui/RailButton";
import { useScreen } from "./store";
import css from "./Toolbar.module.css";
import type { Actions } from "./useActions";
import { toggleFullScreen } from "./useKeys";
import { useView } from "./useView";
import { GRIDS } from "./view";

/** Layout, fill, clear, full screen; and what is being carried. */
export function Toolbar(props: { actions: Actions; cameras: readonly Camera[] }) {
  const { t, i18n } = useTranslation("live");
  const { grid, cells } = useView();
  const { panel, carried, set } = useScreen();
  const carriedId =
    carried?.kind === "camera" ? carried.id : carried?.kind === "cell" ? cells[carried.cell] : null;
  const Panel = panel ? IconLayoutSidebarLeftCollapse : IconLayoutSidebarLeftExpand;

  return (
    <header className={css.bar}>
      <RailButton label={t(panel ? "tree.hide" : "tree.show")} onClick={() => set({ panel: !panel })}>
        <Panel
          size={20}
          stroke={1.6}
          aria-hidden
          className={i18n.language === "ar" ? css.mirror : undefined}
        />
      </RailButton>
      <div className={css.grids} role="radiogroup" aria-label={t("bar.grid")} dir="ltr">
        {GRIDS.map((size) => (
          <label key={size} className={css.grid} title={t("bar.cells", { count: size })}>
            <input
              type="radio"
              name="grid"
              value={size}
              checked={size === grid}
              aria-label={t("bar.cells", { count: size })}
              onChange={() => props.actions.resize(size)}
            />
            <span>{size}</span>
          </label>
        ))}
      </div>
      {carriedId != null && (
        <p className={css.carried}>{t("placing", { name: props.actions.nameOf(carriedId) })}</p>
      )}
      <div className={css.space} />
      <RailButton label={t("bar.fill")} onClick={props.actions.fill} disabled={props.cameras.length === 0}>
        <IconLayoutGridAdd size={18} stroke={1.6} aria-hidden />
      </RailButton>
      <RailButton
        label={t("bar.clear")}
        onClick={props.actions.clear}
        disabled={cells.every((id) => id === null)}
      >
        <IconTrash size={18} stroke={1.6} aria-hidden />
      </RailButton>
      <RailButton label={t("bar.full")} onClick={toggleFullScreen}>
        <IconMaximize size={18} stroke={1.6} aria-hidden />
      </RailButton>
    </header>
  );
}
