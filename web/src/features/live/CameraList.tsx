import { CloseButton, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useDeferredValue, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Camera } from "../../api/types";
import css from "./CameraList.module.css";
import { CameraRow } from "./CameraRow";
import { agencies, find, findables } from "./find";
import { useNames } from "./names";
import { useScreen } from "./store";
import type { Actions } from "./useActions";
import { useView } from "./useView";

const ROW = 44;

interface Props {
  cameras: readonly Camera[];
  ready: boolean;
  cells: readonly (string | null)[];
  actions: Actions;
}

/** All cameras one may see: searched, filtered by agency, dragged or sent to the wall. */
export function CameraList({ cameras, ready, cells, actions }: Props) {
  const { t } = useTranslation("live");
  const { view } = useView();
  const panel = useScreen((s) => s.panel);
  const query = useDeferredValue(view.q ?? "");
  const all = useMemo(() => findables(cameras), [cameras]);
  const shown = useMemo(() => find(all, query, view.agency), [all, query, view.agency]);
  const onWall = useMemo(() => new Set(cells), [cells]);
  if (!panel) return null;

  return (
    <aside className={css.panel} aria-label={t("tree.title")}>
      <div className={css.top}>
        <SearchField actions={actions} />
        <AgencyFilter cameras={cameras} chosen={view.agency} onChoose={actions.filter} />
        <p className={css.count}>
          {t("tree.count", { count: shown.length })}
          <span>{t("tree.online", { count: shown.filter((c) => c.status === "ONLINE").length })}</span>
        </p>
      </div>
      {shown.length > 0 ? (
        <Rows cameras={shown} onWall={onWall} actions={actions} />
      ) : (
        ready && <p className={css.nothing}>{t(cameras.length === 0 ? "tree.none" : "tree.nothing")}</p>
      )}
    </aside>
  );
}

function SearchField({ actions }: { actions: Actions }) {
  const { t } = useTranslation("live");
  const { view } = useView();
  const query = view.q ?? "";
  const toList = (event: KeyboardEvent) => {
    if (event.key !== "ArrowDown" && event.key !== "Enter") return;
    event.preventDefault();
    document.querySelector<HTMLElement>("[data-camera-row]")?.focus();
  };
  return (
    <TextInput
      id="find-camera"
      size="xs"
      value={query}
      placeholder={t("tree.find")}
      aria-label={t("tree.find")}
      onChange={(event) => actions.find(event.currentTarget.value)}
      onKeyDown={toList}
      leftSection={<IconSearch size={15} stroke={1.8} aria-hidden />}
      rightSection={
        query === "" ? (
          <kbd className={css.key}>/</kbd>
        ) : (
          <CloseButton size="sm" aria-label={t("tree.clear")} onClick={() => actions.find("")} />
        )
      }
    />
  );
}

function AgencyFilter(props: {
  cameras: readonly Camera[];
  chosen: string | undefined;
  onChoose: (agency: string | undefined) => void;
}) {
  const { t } = useTranslation("live");
  const names = useNames();
  const counts = useMemo(() => agencies(props.cameras), [props.cameras]);
  if (counts.length < 2) return null;
  const chip = (agency: string | undefined, label: string, count: number) => (
    <button
      key={label}
      type="button"
      className={css.chip}
      aria-pressed={props.chosen === agency}
      onClick={() => props.onChoose(props.chosen === agency ? undefined : agency)}
    >
      {label} <span>{count}</span>
    </button>
  );
  return (
    <fieldset className={css.chips} aria-label={t("tree.filter")}>
      {chip(undefined, t("tree.all"), props.cameras.length)}
      {counts.map(([agency, count]) => chip(agency, names.agency(agency), count))}
    </fieldset>
  );
}

function Rows({
  cameras,
  onWall,
  actions,
}: {
  cameras: readonly Camera[];
  onWall: ReadonlySet<string | null>;
  actions: Actions;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const [focused, setFocused] = useState(0);
  const rows = useVirtualizer({
    count: cameras.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 8,
  });
  const active = Math.min(focused, cameras.length - 1);

  const move = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (step === undefined || useScreen.getState().carried !== null) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(cameras.length - 1, active + step));
    setFocused(next);
    rows.scrollToIndex(next);
    requestAnimationFrame(() =>
      scroller.current?.querySelector<HTMLElement>(`[data-index="${next}"]`)?.focus(),
    );
  };

  return (
    <div ref={scroller} className={css.scroll}>
      <ul className={css.rows} style={{ blockSize: rows.getTotalSize() }} onKeyDown={move}>
        {rows.getVirtualItems().map((item) => {
          const camera = cameras[item.index];
          return camera === undefined ? null : (
            <li key={camera.id} className={css.item} style={{ transform: `translateY(${item.start}px)` }}>
              <CameraRow
                camera={camera}
                index={item.index}
                active={item.index === active}
                onWall={onWall.has(camera.id)}
                actions={actions}
                onFocus={() => setFocused(item.index)}
              />
            </li>
          );
        })}
      </ul>
    </div>
  );
}
