import { draggable } from "@atlaskit/pragmatic-drag-and-drop/element/adapter";
import { type KeyboardEvent, memo, useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { Camera } from "../../api/types";
import css from "./CameraList.module.css";
import { useNames } from "./names";
import { useScreen } from "./store";
import type { Actions } from "./useActions";

interface Props {
  camera: Camera;
  index: number;
  active: boolean;
  onWall: boolean;
  actions: Actions;
  onFocus: () => void;
}

/** One camera: dragged to a tile, sent to the wall by Enter, picked up by Ctrl+Enter. */
export const CameraRow = memo(function CameraRow({ camera, index, active, onWall, actions, onFocus }: Props) {
  const { t } = useTranslation("live");
  const names = useNames();
  const ref = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    const element = ref.current;
    return element === null
      ? undefined
      : draggable({ element, getInitialData: () => ({ camera: camera.id }) });
  }, [camera.id]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (!event.ctrlKey) return actions.add(camera.id);
    actions.pick({ kind: "camera", id: camera.id });
    const { focus } = useScreen.getState();
    document.querySelector<HTMLElement>(`[data-cell="${focus}"]`)?.focus();
  };

  return (
    <button
      ref={ref}
      type="button"
      className={css.row}
      data-camera-row={camera.id}
      data-index={index}
      tabIndex={active ? 0 : -1}
      title={t("tree.hint")}
      onFocus={onFocus}
      onDoubleClick={() => actions.add(camera.id)}
      onClick={() => useScreen.getState().choosing !== null && actions.add(camera.id)}
      onKeyDown={onKeyDown}
    >
      <span className={css.status} data-status={camera.status} />
      <span className={css.names}>
        <bdi dir="auto">{names.camera(camera, camera.id)}</bdi>
        <span className={css.more}>
          {names.agency(camera.source)}
          {camera.status !== "ONLINE" && (
            <b data-status={camera.status}>{t(`camera_status.${camera.status}`)}</b>
          )}
        </span>
      </span>
      {onWall && (
        <span className={css.onWall} role="img" aria-label={t("tree.on_wall")} title={t("tree.on_wall")} />
      )}
    </button>
  );
});
