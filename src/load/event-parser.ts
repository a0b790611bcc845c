export interface ServerSentEvent {
  readonly id: string | null;
  readonly data: string;
}

/**
 * Takes an event stream apart as it comes (WHATWG HTML, section 9.2.6 "Interpreting an event stream"), and knows whether
 * the stream is between two events, which is the only place where it may end.
 */
export class EventParser {
  #line = '';
  #id: string | null = null;
  #data: string[] = [];
  #inEvent = false;
  #skipLineFeed = false;

  /** Takes the next piece of decoded text; returns the events that are whole now. */
  push(text: string): readonly ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    for (const character of text) {
      const lineFeedOfPair = this.#skipLineFeed && character === '\n';
      this.#skipLineFeed = character === '\r';
      if (lineFeedOfPair) continue;
      if (character !== '\n' && character !== '\r') {
        this.#line += character;
        continue;
      }
      const event = this.#endOfLine();
      if (event !== null) events.push(event);
    }
    return events;
  }

  /** False while part of an event has come and its end has not. */
  get betweenEvents(): boolean {
    return this.#line === '' && !this.#inEvent;
  }

  #endOfLine(): ServerSentEvent | null {
    const line = this.#line;
    this.#line = '';
    if (line === '') {
      const event = this.#inEvent ? { id: this.#id, data: this.#data.join('\n') } : null;
      this.#id = null;
      this.#data = [];
      this.#inEvent = false;
      return event;
    }
    // A comment keeps the connection alive and is no part of an event.
    if (line.startsWith(':')) return null;
    this.#inEvent = true;
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'id') this.#id = value;
    if (field === 'data') this.#data.push(value);
    return null;
  }
}
