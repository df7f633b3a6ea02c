import { useQuery } from "@tanstack/react-query";
import { listCameras } from "../../api/client";

const POLL_MS = 5_000;

/** The cameras, asked for again every 5 s. Old ones stay while the server is away. */
export function useCameras() {
  return useQuery({
    queryKey: ["cameras"],
    queryFn: ({ signal }) => listCameras(signal),
    refetchInterval: POLL_MS,
  });
}
