import { z } from 'zod';

/** What the web service reads from its environment, beside what every service reads. */
export const settings = z.object({
  /** Folder that outlives releases, where old assets are kept. Without it only this release's assets are served. */
  VEZA_DATA: z.string().min(1).optional(),
  /** What Vite built; by default `public/` beside the program. */
  PUBLIC_FOLDER: z.string().min(1).optional(),
  /** A page may be left open for this long and still find its assets. */
  ASSETS_KEEP_DAYS: z.coerce.number().int().min(1).max(365).default(30),
  ASSETS_KEEP_RELEASES: z.coerce.number().int().min(2).max(200).default(20),
});
