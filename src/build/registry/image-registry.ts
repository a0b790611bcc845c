import { z } from 'zod';
import { MANIFEST_TYPE, type StoredImage } from '../../core/image/image.ts';
import { canonicalJson } from '../../core/release/canonical-json.ts';
import type { Digest } from '../../core/units/quantities.ts';
import { RegistryRefusedError } from '../../errors.ts';
import { digestOf } from '../digest.ts';
import type { ImageLayout } from '../image/layout.ts';
import type { RegistryLine } from './registry-line.ts';

const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';
const EMPTY_TYPE = 'application/vnd.oci.empty.v1+json';
const EMPTY = Buffer.from('{}');
const LISTS = [INDEX_TYPE, 'application/vnd.docker.distribution.manifest.list.v2+json'];
const ACCEPTED = [MANIFEST_TYPE, 'application/vnd.docker.distribution.manifest.v2+json', ...LISTS].join(', ');

const digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/)
  .transform((text) => text as Digest);
const descriptorSchema = z.looseObject({
  mediaType: z.string(),
  digest,
  size: z.number(),
  artifactType: z.string().optional(),
});
const indexSchema = z.looseObject({ manifests: z.array(descriptorSchema) });
const manifestSchema = z.looseObject({ layers: z.array(descriptorSchema) });

type Descriptor = z.output<typeof descriptorSchema>;

export interface PushedBlobs {
  /** Sent now; what the registry had is not sent. */
  readonly bytes: number;
  readonly sent: number;
  readonly known: number;
}

/** What belongs to an image without being part of it. */
export interface Attachment {
  readonly type: string;
  readonly content: Uint8Array;
  readonly annotations: Readonly<Record<string, string>>;
}

/** One repository of a registry: images go in by content, and what is there already is left alone. */
export class ImageRegistry {
  readonly #line: RegistryLine;
  readonly #name: string;

  /** @param name of the registry, for errors */
  constructor(line: RegistryLine, name: string) {
    this.#line = line;
    this.#name = name;
  }

  /**
   * Layers, configuration, then the manifest, which is what makes the image be there; names come last.
   *
   * @param tags that it gets
   * @throws RegistryUnreachableError, RegistryRefusedError
   */
  async push(
    layout: ImageLayout,
    image: StoredImage,
    tags: readonly string[],
    onProgress: (text: string) => void,
    signal: AbortSignal,
  ): Promise<PushedBlobs> {
    const total = { bytes: 0, sent: 0, known: 0 };
    for (const [index, layer] of image.layers.entries()) {
      const megabytes = (layer.bytes / 1e6).toFixed(1);
      onProgress(`layer ${index + 1} of ${image.layers.length}, ${megabytes} MB`);
      count(total, layer.bytes, await this.#blob(layer, () => layout.stream(layer.digest), signal));
    }
    const configuration = await layout.read(image.config);
    const config = { digest: image.config, bytes: configuration.byteLength };
    count(total, config.bytes, await this.#blob(config, () => configuration, signal));
    const manifest = await layout.read(image.manifest);
    for (const name of [image.manifest, ...tags]) await this.#manifest(name, MANIFEST_TYPE, manifest, signal);
    return total;
  }

  /**
   * Puts something beside an image: a manifest that names the image as its subject. Registries that do not know of that find it by
   * the tag that the specification has for them.
   *
   * @returns the digest of the attachment's manifest
   * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pushing-manifests-with-subject
   */
  async attach(image: Digest, size: number, attachment: Attachment, signal: AbortSignal): Promise<Digest> {
    const { type, content, annotations } = attachment;
    const layer = { digest: digestOf(content), bytes: content.byteLength };
    const config = { digest: digestOf(EMPTY), bytes: EMPTY.byteLength };
    await this.#blob(layer, () => content, signal);
    await this.#blob(config, () => EMPTY, signal);
    const manifest = Buffer.from(
      canonicalJson({
        annotations,
        artifactType: type,
        config: { digest: config.digest, mediaType: EMPTY_TYPE, size: config.bytes },
        layers: [{ digest: layer.digest, mediaType: type, size: layer.bytes }],
        mediaType: MANIFEST_TYPE,
        schemaVersion: 2,
        subject: { digest: image, mediaType: MANIFEST_TYPE, size },
      }),
    );
    const own = digestOf(manifest);
    const answer = await this.#manifest(own, MANIFEST_TYPE, manifest, signal);
    if (answer.header('oci-subject') === null) {
      const entry = {
        annotations,
        artifactType: type,
        digest: own,
        mediaType: MANIFEST_TYPE,
        size: manifest.byteLength,
      };
      const others = (await this.#byTag(image, signal)).filter((known) => known.digest !== own);
      const index = { manifests: [...others, entry], mediaType: INDEX_TYPE, schemaVersion: 2 };
      await this.#manifest(fallbackTag(image), INDEX_TYPE, Buffer.from(canonicalJson(index)), signal);
    }
    return own;
  }

  /** Contents of this type beside an image, oldest first as far as the registry keeps order. */
  async attachments(image: Digest, type: string, signal: AbortSignal): Promise<readonly Buffer[]> {
    const answer = await this.#line.ask({ method: 'GET', path: `referrers/${image}`, expected: [200, 404] }, signal);
    // Bodies are always read: the line is used again.
    const text = await answer.bytes();
    const known = answer.status === 200 ? parsed(indexSchema, text)?.manifests : await this.#byTag(image, signal);
    const contents: Buffer[] = [];
    for (const { digest: one, artifactType } of known ?? []) {
      if (artifactType !== type) continue;
      const [layer] = parsed(manifestSchema, await this.document(one, signal))?.layers ?? [];
      if (layer === undefined) continue;
      const blob = await this.#line.ask({ method: 'GET', path: `blobs/${layer.digest}`, expected: [200] }, signal);
      contents.push(this.#same(layer.digest, await blob.bytes()));
    }
    return contents;
  }

  /** The digest that a tag means at the moment; null when there is none. */
  async resolve(tag: string, signal: AbortSignal): Promise<Digest | null> {
    const answer = await this.#line.ask(
      { method: 'GET', path: `manifests/${tag}`, headers: { accept: ACCEPTED }, expected: [200, 404] },
      signal,
    );
    const bytes = await answer.bytes();
    return answer.status === 404 ? null : digestOf(bytes);
  }

  /** The manifest with this digest, to the byte. @throws RegistryRefusedError when there is none, or another one comes */
  async document(wanted: Digest, signal: AbortSignal): Promise<Buffer> {
    const answer = await this.#line.ask(
      { method: 'GET', path: `manifests/${wanted}`, headers: { accept: ACCEPTED }, expected: [200] },
      signal,
    );
    return this.#same(wanted, await answer.bytes());
  }

  /** The bytes of a blob as they come; whoever keeps them sees whether they are the right ones. */
  async blob(wanted: Digest, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    const answer = await this.#line.ask({ method: 'GET', path: `blobs/${wanted}`, expected: [200] }, signal);
    return answer.stream();
  }

  #same(wanted: Digest, bytes: Buffer): Buffer {
    if (digestOf(bytes) === wanted) return bytes;
    throw new RegistryRefusedError(this.#name, `GET ${wanted}`, 'what it gave has another digest', null);
  }

  async #byTag(image: Digest, signal: AbortSignal): Promise<readonly Descriptor[]> {
    const answer = await this.#line.ask(
      { method: 'GET', path: `manifests/${fallbackTag(image)}`, headers: { accept: INDEX_TYPE }, expected: [200, 404] },
      signal,
    );
    const text = await answer.bytes();
    return answer.status === 404 ? [] : (parsed(indexSchema, text)?.manifests ?? []);
  }

  /** @returns whether it had to be sent */
  async #blob(
    { digest: wanted, bytes }: { readonly digest: Digest; readonly bytes: number },
    body: () => AsyncIterable<Uint8Array> | Uint8Array,
    signal: AbortSignal,
  ): Promise<boolean> {
    const there = await this.#line.ask({ method: 'HEAD', path: `blobs/${wanted}`, expected: [200, 404] }, signal);
    await there.bytes();
    if (there.status === 200) return false;
    const upload = await this.#line.ask(
      { method: 'POST', path: 'blobs/uploads/', headers: { 'content-length': '0' }, expected: [202] },
      signal,
    );
    await upload.bytes();
    const location = upload.header('location') ?? '';
    if (!URL.canParse(location, 'http://any'))
      throw new RegistryRefusedError(this.#name, 'POST blobs/uploads/', 'it does not say where to send it', null);
    const to = this.#line.at(location);
    to.searchParams.set('digest', wanted);
    const done = await this.#line.ask(
      {
        method: 'PUT',
        path: to,
        headers: { 'content-type': 'application/octet-stream', 'content-length': String(bytes) },
        body,
        expected: [201],
      },
      signal,
    );
    await done.bytes();
    return true;
  }

  async #manifest(
    name: string,
    type: string,
    content: Buffer,
    signal: AbortSignal,
  ): Promise<{ header(name: string): string | null }> {
    const answer = await this.#line.ask(
      {
        method: 'PUT',
        path: `manifests/${name}`,
        headers: { 'content-type': type },
        body: () => content,
        expected: [201],
      },
      signal,
    );
    await answer.bytes();
    return answer;
  }
}

/** For registries without the referrers API. */
const fallbackTag = (image: Digest): string => image.replace(':', '-');

function count(total: { bytes: number; sent: number; known: number }, bytes: number, sent: boolean): void {
  if (sent) {
    total.bytes += bytes;
    total.sent += 1;
  } else total.known += 1;
}

function parsed<Shape extends z.ZodType>(schema: Shape, text: Buffer): z.output<Shape> | null {
  try {
    return schema.safeParse(JSON.parse(text.toString())).data ?? null;
  } catch {
    return null;
  }
}
