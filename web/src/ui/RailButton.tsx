import { ActionIcon, Tooltip } from "@mantine/core";
import type { ReactNode } from "react";

/** A button of one icon, with its name for ears and as a tip. */
export function RailButton(props: {
  label: string;
  onClick: () => void;
  children: ReactNode;
  pressed?: boolean;
  disabled?: boolean;
}) {
  return (
    <Tooltip label={props.label} openDelay={400} withinPortal>
      <ActionIcon
        variant="subtle"
        color="gray"
        size={32}
        aria-label={props.label}
        disabled={props.disabled ?? false}
        {...(props.pressed === undefined ? {} : { "aria-pressed": props.pressed })}
        onClick={props.onClick}
      >
        {props.children}
      </ActionIcon>
    </Tooltip>
  );
}
