import { IMAGE_USER } from '../../core/image/image.ts';
import { referenceText, type PinnedReference } from '../../core/image/reference.ts';
import type { Service } from '../../core/spec/platform.ts';

/** What a service is written in: how its program is made, and what of it runs. */
export type Language = 'node' | 'go' | 'rust';

export interface Bases {
  /** With the tools that make the program. */
  readonly build: PinnedReference;
  /** Below the image; null: nothing at all, for programs that need nothing. */
  readonly run: PinnedReference | null;
}

/** Where the program is in an image, as in the images that `veza build` makes. */
const APP = '/app';

/** Sets the time of everything below to the beginning of time, so that the same bytes give the same layer. In Node, as there may be no shell. */
const STILL_IN_NODE =
  "const f=require('fs'),p=require('path');const w=(d)=>{for(const e of f.readdirSync(d,{withFileTypes:true})){const n=p.join(d,e.name);if(e.isDirectory())w(n);f.lutimesSync(n,0,0)}};w('/out');f.lutimesSync('/out',0,0)";

/**
 * A Dockerfile in two stages for a service: what makes it, and what runs. Bases by their digests, a number as user, root as owner of
 * what runs, no shell needed, health asked by the service's own program, and nothing of when it was built in a layer. For those who
 * build with Docker; `veza build` needs no Docker.
 *
 * @see https://docs.docker.com/reference/dockerfile/
 */
export function dockerfileOf(service: Service, language: Language, bases: Bases): string {
  const { name } = service;
  const lines = [
    `# Written by \`veza synth docker\` from veza.config.ts: change that, not this.`,
    `#   docker build --file infra/docker/${name}.Dockerfile --build-arg REVISION="$(git rev-parse HEAD)" ${service.source}`,
    `FROM ${referenceText(bases.build)} AS build`,
    // Of this stage nothing but /out gets any further.
    'USER 0:0',
    'WORKDIR /src',
    ...stageOf(service, language),
    '',
    `FROM ${bases.run === null ? 'scratch' : referenceText(bases.run)}`,
    // With the folder in it, so that its time is not that of the build.
    'COPY --from=build --chown=0:0 /out/ /',
    `WORKDIR ${APP}`,
    `USER ${IMAGE_USER}:${IMAGE_USER}`,
    'ARG REVISION=unknown',
    `LABEL ${Object.entries(labelsOf(name, bases.run))
      .map(([label, value]) => `${label}=${value}`)
      .join(' \\\n      ')}`,
    `HEALTHCHECK --interval=10s --timeout=3s --retries=3 CMD ${JSON.stringify(healthOf(service, language))}`,
    `CMD ${JSON.stringify(commandOf(service, language))}`,
  ];
  return `${lines.join('\n')}\n`;
}

const labelsOf = (name: string, base: PinnedReference | null): Readonly<Record<string, string>> => ({
  'org.opencontainers.image.title': JSON.stringify(name),
  'org.opencontainers.image.revision': '$REVISION',
  'dev.veza.service': JSON.stringify(name),
  ...(base === null
    ? {}
    : {
        'org.opencontainers.image.base.name': JSON.stringify(referenceText(base)),
        'org.opencontainers.image.base.digest': JSON.stringify(base.digest),
      }),
});

/** How what runs gets into /out. */
function stageOf({ name, build, run }: Service, language: Language): readonly string[] {
  switch (language) {
    case 'node':
      return [
        'COPY . .',
        ...build.commands.map((command) => `RUN ${JSON.stringify(command)}`),
        `RUN ${JSON.stringify(['node', '-e', `require('fs').cpSync(${JSON.stringify(build.output)},'/out${APP}',{recursive:true,verbatimSymlinks:true,filter:(s)=>!/(^|\\/)\\.git(\\/|$)/.test(s)})`])}`,
        `RUN ${JSON.stringify(['node', '-e', STILL_IN_NODE])}`,
      ];
    case 'go':
      return [
        'COPY go.mod go.sum* ./',
        'RUN ["go", "mod", "download"]',
        'COPY . .',
        'ENV CGO_ENABLED=0',
        // No path of the build, no number of it: the same source is the same program.
        `RUN ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", "/out${APP}/${programOf(run, name)}", "."]`,
        'RUN ["find", "/out", "-exec", "touch", "-h", "-d", "@0", "{}", "+"]',
      ];
    case 'rust':
      return [
        'COPY . .',
        'RUN ["cargo", "build", "--release", "--locked"]',
        `RUN ["install", "-D", "-m", "0555", "target/release/${programOf(run, name)}", "/out${APP}/${programOf(run, name)}"]`,
        'RUN ["find", "/out", "-exec", "touch", "-h", "-d", "@0", "{}", "+"]',
      ];
  }
}

const programOf = ([program]: Service['run'], name: string): string => program.split('/').at(-1) ?? name;

const commandOf = ({ run, name }: Service, language: Language): readonly string[] =>
  language === 'node' ? run : [`${APP}/${programOf(run, name)}`, ...run.slice(1)];

/** No shell, and no curl (guide 3.1 has both): Node asks itself, other programs have a subcommand for it. */
function healthOf({ run, name, health }: Service, language: Language): readonly string[] {
  if (language !== 'node') return [`${APP}/${programOf(run, name)}`, 'healthcheck'];
  const { check } = health.liveness ?? health.startup;
  const ask =
    check.kind === 'http'
      ? `fetch('http://127.0.0.1:'+process.env.PORT+${JSON.stringify(check.path)}).then((r)=>process.exit(r.ok?0:1),()=>process.exit(1))`
      : `require('net').connect(process.env.PORT,'127.0.0.1').on('connect',()=>process.exit(0)).on('error',()=>process.exit(1))`;
  return ['node', '-e', ask];
}

/** What of a source is no business of its image. */
export const DOCKERIGNORE = '.git\nnode_modules\n**/node_modules\n.env*\n*.key\n*.pem\n.veza\n';
