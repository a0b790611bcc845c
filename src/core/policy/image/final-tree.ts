import type { ImageEntry } from './inspection.ts';

interface Node {
  entry: ImageEntry | null;
  readonly children: Map<string, Node>;
}

/**
 * The files that a container sees: layers laid over each other, with what later layers hide taken out.
 *
 * A whiteout only hides what lower layers have, whatever its place in its own layer (OCI image spec, layer.md, "Whiteouts").
 *
 * @param entries of all layers, lowest first
 * @returns path to entry
 */
export function finalTree(entries: readonly ImageEntry[]): ReadonlyMap<string, ImageEntry> {
  const root: Node = { entry: null, children: new Map() };
  for (const layer of layersOf(entries)) {
    for (const entry of layer) hide(root, entry);
    for (const entry of layer) if (entry.kind !== 'whiteout' && entry.kind !== 'opaque') add(root, entry);
  }
  const found = new Map<string, ImageEntry>();
  const todo: Node[] = [root];
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    if (node.entry !== null) found.set(node.entry.path, node.entry);
    todo.push(...node.children.values());
  }
  return found;
}

function layersOf(entries: readonly ImageEntry[]): readonly (readonly ImageEntry[])[] {
  const layers = new Map<number, ImageEntry[]>();
  for (const entry of entries) {
    const layer = layers.get(entry.layer);
    if (layer === undefined) layers.set(entry.layer, [entry]);
    else layer.push(entry);
  }
  return [...layers].sort(([a], [b]) => a - b).map(([, layer]) => layer);
}

function hide(root: Node, entry: ImageEntry): void {
  if (entry.kind === 'opaque') descend(root, entry.path)?.children.clear();
  if (entry.kind !== 'whiteout') return;
  const cut = entry.path.lastIndexOf('/');
  const parent = cut === -1 ? root : descend(root, entry.path.slice(0, cut));
  parent?.children.delete(entry.path.slice(cut + 1));
}

function descend(root: Node, path: string): Node | undefined {
  let node: Node | undefined = root;
  for (const part of path === '' ? [] : path.split('/')) node = node?.children.get(part);
  return node;
}

function add(root: Node, entry: ImageEntry): void {
  let node = root;
  for (const part of entry.path.split('/')) {
    let child = node.children.get(part);
    if (child === undefined) {
      child = { entry: null, children: new Map() };
      node.children.set(part, child);
    }
    node = child;
  }
  node.entry = entry;
  // A folder over a folder keeps what is in it; anything else takes its place.
  if (entry.kind !== 'folder') node.children.clear();
}
