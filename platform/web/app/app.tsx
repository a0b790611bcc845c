import { lazy, Suspense, useEffect, useSyncExternalStore, type ReactNode } from 'react';
import { Frame } from './frame.tsx';
import { DiscoverPage } from './pages/discover.tsx';
import { FarewellPage } from './pages/farewell.tsx';
import { LoginPage } from './pages/login.tsx';
import { NotFoundPage } from './pages/not-found.tsx';
import { RegisterPage } from './pages/register.tsx';
import { SearchPage } from './pages/search.tsx';
import { nextOf } from './pages/sign-in.ts';
import { TrackPage } from './pages/track.tsx';
import { WelcomePage } from './pages/welcome.tsx';
import { pathTo, type Place } from './paths.ts';
import { useRoute } from './router.tsx';
import { useServices, useSession } from './services.tsx';
import { Broken } from './ui/broken.tsx';
import { Waiting } from './ui/states.tsx';

// Fetched when they are first opened, from the release that this page is of, however many came since.
const UploadPage = lazy(async () => ({ default: (await import('./pages/upload.tsx')).UploadPage }));
const PlaylistsPage = lazy(async () => ({ default: (await import('./pages/playlists.tsx')).PlaylistsPage }));
const PlaylistPage = lazy(async () => ({ default: (await import('./pages/playlist.tsx')).PlaylistPage }));
const ChatPage = lazy(async () => ({ default: (await import('./pages/chat.tsx')).ChatPage }));
const RoomPage = lazy(async () => ({ default: (await import('./pages/room.tsx')).RoomPage }));
const MePage = lazy(async () => ({ default: (await import('./pages/me.tsx')).MePage }));

/** The whole page: frame, content by address, and who may see what. */
export function App(): ReactNode {
  const { place, visit } = useRoute();
  return (
    <Frame page={place?.page ?? null}>
      <Broken key={visit}>
        <Suspense fallback={<Waiting />}>
          <Content place={place} />
        </Suspense>
      </Broken>
    </Frame>
  );
}

function Content({ place }: { readonly place: Place | null }): ReactNode {
  const state = useSession();
  const { gone } = useServices();
  const left = useSyncExternalStore(gone.subscribe, () => gone.value);
  if (place === null) return <NotFoundPage />;
  const forAnybody = place.page === 'login' || place.page === 'register';
  if (state.kind === 'starting') return <Waiting />;
  if (state.kind === 'out') {
    if (place.page === 'login') return <LoginPage />;
    if (place.page === 'register') return <RegisterPage />;
    if (place.page === 'me' && left) return <FarewellPage />;
    if (place.page === 'discover' && !state.ended) return <WelcomePage />;
    return <Elsewhere to={loginPath()} />;
  }
  if (forAnybody) return <GoOn />;
  return <PageOf place={place} />;
}

function PageOf({ place: { page, parameters } }: { readonly place: Place }): ReactNode {
  const id = parameters['id'] ?? '';
  switch (page) {
    case 'discover':
      return <DiscoverPage />;
    case 'search':
      return <SearchPage />;
    case 'track':
      return <TrackPage key={id} id={id} />;
    case 'upload':
      return <UploadPage />;
    case 'playlists':
      return <PlaylistsPage />;
    case 'playlist':
      return <PlaylistPage key={id} id={id} />;
    case 'chat':
      return <ChatPage />;
    case 'room':
      return <RoomPage key={parameters['room']} room={parameters['room'] ?? ''} />;
    case 'me':
      return <MePage />;
    case 'login':
    case 'register':
      return <GoOn />;
  }
}

/** Logged in: on to where the person wanted to go. */
function GoOn(): ReactNode {
  const { query } = useRoute();
  return <Elsewhere to={nextOf(query)} />;
}

function Elsewhere({ to }: { readonly to: string }): ReactNode {
  const { go } = useRoute();
  useEffect(() => go(to, { replace: true }), [go, to]);
  return <Waiting />;
}

function loginPath(): string {
  const here = location.pathname + location.search;
  return here === '/' ? pathTo('login') : `${pathTo('login')}?${new URLSearchParams({ next: here }).toString()}`;
}
