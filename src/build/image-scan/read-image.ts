import type {
  Clue,
  Component,
  ImageEntry,
  ImageInspection,
  NamedReference,
  Unread,
} from '../../core/policy/image/inspection.ts';
import type { Digest } from '../../core/units/quantities.ts';
import { ImageUnreadableError } from '../../errors.ts';
import type { ReadConfiguration } from './documents.ts';
import type { LayerContents } from './layer.ts';

/** An image with everything that was seen in it. */
export interface ReadImage {
  readonly name: string;
  /** null when it came without one, as `docker save` writes it. */
  readonly manifest: Digest | null;
  readonly config: Digest;
  readonly configuration: ReadConfiguration;
  readonly layers: readonly LayerContents[];
}

/**
 * What the rules look at.
 *
 * @throws ImageUnreadableError when the layers are not those that the configuration names
 */
export function inspectionOf(
  image: ReadImage,
  references: readonly NamedReference[],
  fromSbom: readonly Component[],
): ImageInspection {
  const { configuration, layers, name } = image;
  const { diffIds } = configuration;
  if (diffIds.length !== layers.length) {
    throw new ImageUnreadableError(
      name,
      'its configuration',
      `names ${diffIds.length} layers, and there are ${layers.length}`,
    );
  }
  for (const [index, layer] of layers.entries()) {
    if (layer.diffId !== diffIds[index]) {
      throw new ImageUnreadableError(
        name,
        `layer ${index + 1}`,
        `is not the one that the configuration names (${diffIds[index] ?? ''})`,
      );
    }
  }
  const entries: ImageEntry[] = [];
  const clues: Clue[] = [];
  const unread: Unread[] = [];
  for (const [layer, contents] of layers.entries()) {
    for (const entry of contents.entries) entries.push({ ...entry, layer });
    for (const clue of contents.clues) clues.push({ ...clue, layer });
    for (const one of contents.unread) unread.push({ ...one, layer });
  }
  const components = merged([...fromSbom, ...layers.flatMap((contents) => contents.components)]);
  return { config: configuration.config, layers: layers.length, entries, clues, components, references, unread };
}

/** One package is found in several ways: the one with a licence counts. */
function merged(components: readonly Component[]): readonly Component[] {
  const known = new Map<string, Component>();
  for (const component of components) {
    const key = `${component.ecosystem} ${component.name} ${component.version}`;
    const before = known.get(key);
    if (before === undefined || (before.licence === null && component.licence !== null)) known.set(key, component);
  }
  return [...known.values()];
}
