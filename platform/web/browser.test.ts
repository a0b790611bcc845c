import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { extract } from 'tar-stream';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { makeAudio } from '../seed/audio.ts';
import { look } from './browser/look.ts';
import { startPlatform, type Platform } from './browser/platform.ts';
import { Watch } from './browser/watched-page.ts';

const CHROMIUM = process.env['VEZA_CHROMIUM'] ?? '/usr/bin/chromium';
const PASSWORD = 'a sentence is easier to remember';
/** Only how long a machine may be busy with other things before it is a failure: nothing here waits for time to pass. */
const WAIT_MS = 60_000;

let platform: Platform;
let browser: Browser;
let watch: Watch;

beforeAll(async () => {
  [platform, browser] = await Promise.all([
    startPlatform(),
    // Root has no sandbox of its own in a container.
    chromium.launch({ executablePath: CHROMIUM, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] }),
  ]);
  watch = new Watch(platform.origin);
}, 300_000);

afterAll(async () => {
  await browser?.close();
  await platform?.stop();
});

// Whatever a test looks at: nothing foreign was asked for, no policy was broken, nothing was thrown or complained of.
afterEach(() => {
  expect(watch.faults()).toEqual([]);
});

/** Somebody's browser, which knows nothing of anybody else's. */
async function visitor(locale = 'en-GB'): Promise<{ readonly context: BrowserContext; readonly page: Page }> {
  const context = await browser.newContext({ locale, baseURL: platform.origin, acceptDownloads: true });
  context.setDefaultTimeout(WAIT_MS);
  await watch.context(context);
  const page = await context.newPage();
  await page.goto('/');
  return { context, page };
}

async function register(page: Page, name: string): Promise<string> {
  const email = `${name.toLowerCase()}-${Math.random().toString(36).slice(2)}@example.org`;
  await page.goto('/register');
  await page.getByLabel('Name that others see').fill(name);
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByRole('heading', { name: 'Discover', level: 1 }).waitFor();
  return email;
}

async function uploadTrack(page: Page, title: string, durationMs = 20_000): Promise<void> {
  const path = join(platform.folder, `${title}.wav`);
  await writeFile(path, makeAudio({ kind: 'wav', seed: title, durationMs }));
  await page.getByRole('link', { name: 'Upload' }).first().click();
  await page.locator('input[type=file]').setInputFiles(path);
  await page.getByLabel('Genre').fill('folk');
  await page.getByRole('button', { name: 'Upload', exact: true }).click();
  await page.getByText('Your track is there.').waitFor();
}

const heading = (page: Page, name: string): Promise<void> => page.getByRole('heading', { name, level: 1 }).waitFor();

async function openNavigation(page: Page, name: string): Promise<void> {
  await page.getByRole('navigation').getByRole('link', { name, exact: true }).click();
}

describe('the platform in a browser', () => {
  test('welcomes, explains what is wrong, registers, and remembers over a reload', async () => {
    const { context, page } = await visitor();
    await heading(page, 'Listen, upload, talk');
    expect(await look(page, 'welcome')).toEqual([]);

    await page.getByRole('link', { name: 'Create an account' }).click();
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.getByText('Please use at least 8 characters.').waitFor();
    expect(await look(page, 'register-wrong')).toEqual([]);
    const email = await register(page, 'Ada');

    await page.reload();
    await heading(page, 'Discover');
    const cookies = await context.cookies();
    expect(cookies).toHaveLength(1);
    expect(cookies[0]).toMatchObject({
      name: '__Host-veza-refresh',
      httpOnly: true,
      secure: true,
      sameSite: 'Strict',
      path: '/',
    });
    expect(await keptBy(page)).toEqual({ 'veza.session': 'yes' });

    await openNavigation(page, 'You');
    await page.getByText(email).waitFor();
    expect(await page.getByLabel('Name that others see').inputValue()).toBe('Ada');
    await page.getByRole('button', { name: 'Log out' }).click();
    await heading(page, 'Listen, upload, talk');
    expect(await context.cookies()).toEqual([]);

    watch.allow(/status of 401 .*\/auth\/v1\/login/);
    await page.goto('/me?from=somewhere');
    await page.getByText('Log in to go on.').waitFor();
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill('not the password');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('E-mail or password is wrong.').waitFor();
    expect(await look(page, 'login-wrong')).toEqual([]);
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await heading(page, 'You');
    expect(new URL(page.url()).search).toBe('?from=somewhere');
    await context.close();
  }, 300_000);

  test('uploads a recording in pieces, also after an interruption, and plays it', async () => {
    const { context, page } = await visitor();
    await register(page, 'Bela');
    // 90 s of WAV are more than one piece; the first answer gets lost on its way.
    let lost = 0;
    await page.route('**/upload', async (route) => {
      if (route.request().method() !== 'PATCH' || lost > 0) return route.continue();
      lost += 1;
      await route.fetch();
      await route.abort('connectionreset');
    });
    watch.allow(/ERR_CONNECTION_RESET .*\/upload/);
    await uploadTrack(page, 'Rain on slate', 90_000);
    expect(lost).toBe(1);
    expect(await look(page, 'upload-done')).toEqual([]);

    await page.getByRole('link', { name: 'Open the track' }).click();
    await heading(page, 'Rain on slate');
    await page.getByText('1:30').first().waitFor();
    await page.getByRole('button', { name: 'Play Rain on slate' }).click();
    const position = page.getByRole('slider', { name: 'Position' });
    const seconds = async (): Promise<number> => Number(await position.inputValue()) / 1000;
    await expect.poll(seconds, { timeout: WAIT_MS }).toBeGreaterThan(1);
    const before = await seconds();
    await expect.poll(seconds, { timeout: WAIT_MS }).toBeGreaterThan(before);

    // It goes on while one moves about, also to where it was not yet loaded.
    await position.fill('60000');
    await openNavigation(page, 'Search');
    await expect.poll(seconds, { timeout: WAIT_MS }).toBeGreaterThan(60.5);
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    await page.getByRole('button', { name: 'Play', exact: true }).waitFor();
    expect(await look(page, 'search-start')).toEqual([]);

    await page.getByLabel('Title, artist or genre').fill('rain');
    await page.keyboard.press('Enter');
    await page.getByText('1 track shown').waitFor();
    await page.getByRole('link', { name: 'Rain on slate' }).first().waitFor();
    expect(await look(page, 'search-found')).toEqual([]);
    await page.getByLabel('Title, artist or genre').fill('zzz');
    await page.keyboard.press('Enter');
    await page.getByText('Nothing found for “zzz”').waitFor();
    await context.close();
  }, 400_000);

  test('says why a track is suggested, and keeps it in a playlist', async () => {
    const artist = await visitor();
    await register(artist.page, 'Ilse');
    await uploadTrack(artist.page, 'Wind on slate');
    await artist.context.close();

    const { context, page } = await visitor();
    await register(page, 'Cleo');
    // What can be suggested is read anew every now and then.
    const suggested = page.getByRole('link', { name: 'Wind on slate' });
    await expect
      .poll(
        async () => {
          await page.reload();
          await heading(page, 'Discover');
          await page.locator('.tracks, .empty').first().waitFor();
          return suggested.count();
        },
        { timeout: 2 * WAIT_MS, interval: 1000 },
      )
      .toBe(1);
    const wind = page.getByRole('listitem').filter({ has: suggested });
    await wind.getByText('Why am I seeing this?').click();
    await wind.getByText('The luck of the draw').waitFor();
    await wind.getByText('Published in the last 30 days').waitFor();
    expect(await look(page, 'discover')).toEqual([]);

    await page.getByRole('button', { name: 'Add Wind on slate to a playlist' }).click();
    await page.getByLabel('Name of a new playlist').fill('For the evening');
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
    await page.getByText('Added to “For the evening”.').waitFor();
    expect(await look(page, 'add-to-playlist')).toEqual([]);
    await page.keyboard.press('Escape');

    await openNavigation(page, 'Playlists');
    await heading(page, 'Playlists');
    await page.getByRole('link', { name: /For the evening/ }).waitFor();
    expect(await look(page, 'playlists')).toEqual([]);
    await page.getByRole('link', { name: /For the evening/ }).click();
    await heading(page, 'For the evening');
    await page.getByRole('link', { name: 'Wind on slate' }).waitFor();
    expect(await look(page, 'playlist')).toEqual([]);

    // By its address, in a new tab: a deep link.
    const second = await context.newPage();
    await second.goto(page.url());
    await heading(second, 'For the evening');
    await second.getByRole('button', { name: 'Remove Wind on slate' }).click();
    await second.getByText('This playlist is empty').waitFor();
    // The first tab does not overwrite what the second has done.
    watch.allow(/status of 412/);
    await page.getByRole('button', { name: 'Rename' }).click();
    await page.getByLabel('Name', { exact: true }).fill('For the night');
    await page.getByRole('button', { name: 'Save' }).click();
    await page
      .getByRole('dialog')
      .getByRole('alert')
      .getByText(/changed/)
      .waitFor();
    await context.close();
  }, 400_000);

  test('speaks French to whom it should, and switches', async () => {
    const { context, page } = await visitor('fr-CA');
    await heading(page, 'Écouter, publier, discuter');
    expect(await page.locator('html').getAttribute('lang')).toBe('fr');
    expect(await look(page, 'welcome-french')).toEqual([]);
    await page.getByLabel('Langue').selectOption('en');
    await heading(page, 'Listen, upload, talk');
    await page.reload();
    await heading(page, 'Listen, upload, talk');
    await context.close();
  }, 200_000);

  test('shows who is lost the way back', async () => {
    const { context, page } = await visitor();
    watch.allow(/status of 404 .*\/no-such-page/);
    const answer = await page.goto('/no-such-page');
    expect(answer?.status()).toBe(404);
    expect(await look(page, 'lost')).toEqual([]);
    await page.getByRole('link', { name: 'Go to the start page' }).click();
    await heading(page, 'Listen, upload, talk');
    await page.goto('/me');
    await page.getByText('Log in to go on.').waitFor();
    await context.close();
  }, 200_000);

  test('chats, and goes on without a gap when the instance is replaced', async () => {
    const [one, other] = await Promise.all([visitor(), visitor()]);
    await register(one.page, 'Dora');
    await register(other.page, 'Emil');
    await openNavigation(one.page, 'Chat');
    await one.page.getByText('No rooms yet').waitFor();
    expect(await look(one.page, 'chat-empty')).toEqual([]);
    await one.page.getByLabel('Name of a new room').fill('Corner table');
    await one.page.getByRole('button', { name: 'Open a room' }).click();
    await heading(one.page, 'Corner table');
    await openNavigation(other.page, 'Chat');
    await other.page.getByRole('link', { name: 'Corner table' }).click();

    const say = async (page: Page, text: string): Promise<void> => {
      await page.getByLabel('Message', { exact: true }).fill(text);
      await page.keyboard.press('Enter');
    };
    const heard = (page: Page): Promise<string[]> =>
      page.locator('.said:not(.said-pending) .said-text').allTextContents();
    await one.page.getByText('Here now: 2').waitFor();
    await say(one.page, 'Is this on?');
    await other.page.getByText('Is this on?').waitFor();
    await say(other.page, 'Loud and clear');
    await one.page.getByText('Loud and clear').waitFor();
    expect(await look(one.page, 'room')).toEqual([]);

    // Both go on talking while their instance goes away and another takes over.
    const replaced = platform.replaceChat();
    const said = ['Is this on?', 'Loud and clear'];
    for (let number = 1; number <= 5; number += 1) {
      await say(one.page, `from one ${number}`);
      await say(other.page, `from the other ${number}`);
      said.push(`from one ${number}`, `from the other ${number}`);
    }
    await replaced;
    await say(one.page, 'Still here');
    said.push('Still here');
    for (const { page } of [one, other]) {
      await expect.poll(async () => (await heard(page)).toSorted(), { timeout: WAIT_MS }).toEqual(said.toSorted());
    }
    expect(await heard(one.page)).toEqual(await heard(other.page));
    await one.page.getByText('Connected').waitFor();

    // Who comes later finds what was said; who leaves is seen to leave.
    await other.context.close();
    await one.page.getByText('Here now: 1').waitFor();
    await one.page.reload();
    await expect.poll(() => heard(one.page), { timeout: WAIT_MS }).toHaveLength(said.length);
    await one.context.close();
  }, 400_000);

  test('shares one session between tabs, and ends it in all of them', async () => {
    const { context, page } = await visitor();
    await register(page, 'Finn');
    let refreshes = 0;
    context.on('request', (request) => {
      if (request.url().endsWith('/auth/v1/refresh')) refreshes += 1;
    });
    const tabs = await Promise.all([context.newPage(), context.newPage(), context.newPage()]);
    await Promise.all(tabs.map((tab) => tab.goto('/search')));
    await Promise.all(tabs.map((tab) => heading(tab, 'Search')));
    expect(refreshes).toBeGreaterThan(0);
    expect(refreshes).toBeLessThanOrEqual(3);
    await openNavigation(page, 'You');
    await page.getByRole('button', { name: 'Log out' }).click();
    for (const tab of tabs) await heading(tab, 'Log in');
    await context.close();
  }, 200_000);

  test('goes on as an old page when a newer release is out', async () => {
    const { context, page } = await visitor();
    await register(page, 'Gil');
    const root = page.locator('html');
    expect(await root.getAttribute('data-release')).toBe('one');
    await platform.releaseWeb('two');

    // Parts of the page that were never fetched before: they are of release one, and still there.
    await openNavigation(page, 'Playlists');
    await page.getByText('No playlists yet').waitFor();
    await openNavigation(page, 'Upload');
    await page.getByText('Choose a file').waitFor();
    expect(await look(page, 'upload-empty')).toEqual([]);
    expect(await root.getAttribute('data-release')).toBe('one');

    await page.reload();
    await heading(page, 'Upload a track');
    expect(await root.getAttribute('data-release')).toBe('two');
    await context.close();
  }, 300_000);

  test('gives people their data, and forgets them', async () => {
    const { context, page } = await visitor();
    const email = await register(page, 'Hana');
    await uploadTrack(page, 'A short goodbye', 3000);
    await page.getByRole('link', { name: 'Open the track' }).click();
    await page.getByRole('button', { name: 'Play A short goodbye' }).click();
    await page.getByRole('button', { name: 'Play', exact: true }).waitFor();
    await openNavigation(page, 'You');
    await page.getByRole('region', { name: 'Listened lately' }).getByText('A short goodbye').waitFor();
    expect(await look(page, 'me')).toEqual([]);

    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download my data' }).click();
    const archive = join(platform.folder, 'export.tar');
    await (await downloading).saveAs(archive);
    await page.getByText(/^Your archive was downloaded/).waitFor();
    const files = await filesOf(archive);
    const everything = [...files.values()].map((bytes) => bytes.toString('latin1')).join('\n');
    expect([...files.keys()].some((name) => name.includes('manifest'))).toBe(true);
    expect(everything).toContain(email);
    expect(everything).toContain('A short goodbye');
    expect(everything).toContain('Hana');
    const sound = makeAudio({ kind: 'wav', seed: 'A short goodbye', durationMs: 3000 });
    expect([...files.values()].some((bytes) => bytes.equals(sound))).toBe(true);

    watch.allow(/status of 403 .*\/api\/v1\/me/);
    watch.allow(/status of 401 .*\/auth\/v1\/login/);
    await page.getByRole('button', { name: 'Delete my account' }).click();
    await page.getByLabel('Your password, to be sure that it is you').fill('not the password');
    await page.getByRole('button', { name: 'Yes, erase everything' }).click();
    await page.getByText('The password is wrong.').waitFor();
    expect(await look(page, 'delete-wrong')).toEqual([]);
    await page.getByLabel('Your password, to be sure that it is you').fill(PASSWORD);
    await page.getByRole('button', { name: 'Yes, erase everything' }).click();
    await heading(page, 'Your account is deleted');
    expect(await look(page, 'farewell')).toEqual([]);
    expect(await keptBy(page)).toEqual({});

    await page.goto('/login');
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('E-mail or password is wrong.').waitFor();
    await context.close();
  }, 400_000);
});

/** All that scripts of the page can find of an earlier visit. */
function keptBy(page: Page): Promise<Record<string, string>> {
  return page.evaluate(() =>
    Object.fromEntries([
      ...Object.entries(localStorage),
      ...Object.entries(sessionStorage),
      ...document.cookie
        .split(';')
        .filter(Boolean)
        .map((cookie) => ['cookie', cookie] as const),
    ]),
  );
}

/** Files of a tar archive by their names. */
async function filesOf(path: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const archive = Readable.from([await readFile(path)]).pipe(extract());
  for await (const entry of archive) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    files.set(entry.header.name, Buffer.concat(chunks));
  }
  return files;
}
