/** The wire types that the pages use, in the outline `npm run api` gives `schema.ts`. */
export interface components {
  schemas: {
    CameraStatus: "ONLINE" | "OFFLINE" | "ERROR";
    CameraStream: {
      kind: "main" | "sub";
      path?: string | null;
      codec?: string | null;
      width?: number | null;
      height?: number | null;
      fps?: number | null;
    };
    Camera: {
      id: string;
      name: string;
      name_ar: string;
      source: string;
      status: components["schemas"]["CameraStatus"];
      rtsp_url?: string | null;
      ptz_enabled?: boolean;
      location?: { latitude?: number | null; longitude?: number | null; address?: string | null } | null;
      streams?: components["schemas"]["CameraStream"][];
      metadata?: Record<string, unknown>;
      last_update?: string | null;
    };
    CameraList: { cameras: components["schemas"]["Camera"][]; count: number; total: number };
    Problem: { error: { code: string; message_en: string; message_ar: string } };
  };
}

export type Camera = components["schemas"]["Camera"];
export type CameraList = components["schemas"]["CameraList"];
