import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { config } from 'zod/mini';
import { App } from './app.tsx';
import { makeServices } from './make-services.ts';
import { Router } from './router.tsx';
import { ServicesContext } from './services.tsx';
import './styles/tokens.css';
import './styles/base.css';
import './styles/frame.css';
import './styles/controls.css';
import './styles/lists.css';
import './styles/player.css';
import './styles/chat.css';

// Zod would try whether it may make code out of text, which the content security policy refuses and reports.
config({ jitless: true });

const services = makeServices();
await services.language.start(navigator.languages);
void services.session.start();

const root = document.getElementById('app');
if (root === null) throw new Error('index.html has no place for the app');
createRoot(root).render(
  <StrictMode>
    <ServicesContext value={services}>
      <Router>
        <App />
      </Router>
    </ServicesContext>
  </StrictMode>,
);
