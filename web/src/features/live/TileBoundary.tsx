import { Component, type ReactNode } from "react";
import css from "./TileCell.module.css";

const AGAIN_MS = 5_000;

/** Keeps a fault in one tile from breaking another, and tries that tile again. */
export class TileBoundary extends Component<{ message: string; children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };
  private timer: ReturnType<typeof setTimeout> | undefined;

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override componentDidCatch() {
    this.timer = setTimeout(() => this.setState({ failed: false }), AGAIN_MS);
  }

  override componentWillUnmount() {
    clearTimeout(this.timer);
  }

  override render() {
    return this.state.failed ? <div className={css.failed}>{this.props.message}</div> : this.props.children;
  }
}
