import { useEffect, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { setSignedOut } from "../../api/session";
import type { Camera } from "../../api/types";
import { CameraList } from "./CameraList";
import { KeySheet } from "./KeySheet";
import css from "./LivePage.module.css";
import { StatusBar } from "./StatusBar";
import { useScreen } from "./store";
import { Toolbar } from "./Toolbar";
import { useActions } from "./useActions";
import { useCameras } from "./useCameras";
import { useKeys } from "./useKeys";
import { useView } from "./useView";
import { asksOf, useNewWall, useWallStatus, WallContext } from "./useWall";
import { filled } from "./view";
import { WallGrid } from "./WallGrid";

const NONE: readonly Camera[] = [];

/** The live wall: cameras on one side, tiles on the other, the truth about each. */
export function LivePage() {
  const { t } = useTranslation("app");
  const wall = useNewWall();
  const status = useWallStatus(wall);
  const cameras = useCameras();
  const list = cameras.data ?? NONE;
  const byId = useMemo(() => new Map(list.map((c) => [c.id, c])), [list]);
  const { view, grid, cells, keys, full, setCells } = useView();
  const screen = useScreen();
  const actions = useActions(list);
  useKeys(actions);

  useEffect(() => {
    if (view.cams === undefined && list.length > 0)
      setCells(
        filled(
          cells,
          list.map((c) => c.id),
        ),
      );
  }, [view.cams, list, cells, setCells]);

  useEffect(() => wall.show(asksOf(cells, keys, full, byId), grid), [wall, cells, keys, full, byId, grid]);

  useEffect(() => {
    if (status.link === "unauthenticated") setSignedOut(true);
  }, [status.link]);

  const lost = status.link === "lost" || (cameras.isError && !cameras.isPending);
  return (
    <WallContext value={wall}>
      <div className={css.page} data-panel={screen.panel}>
        <CameraList cameras={list} ready={!cameras.isPending} cells={cells} actions={actions} />
        <section className={css.stage}>
          <Toolbar actions={actions} cameras={list} />
          {lost && (
            <p className={css.banner} role="alert">
              {t("server_lost")}
            </p>
          )}
          {status.busy && !lost && <p className={css.notice}>{t("reduced")}</p>}
          <WallGrid cameras={byId} actions={actions} />
          <StatusBar status={status} />
        </section>
        <KeySheet />
        <div className="said" role="status" aria-live="polite">
          {screen.said}
        </div>
      </div>
    </WallContext>
  );
}
