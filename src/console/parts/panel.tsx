/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import { shown } from './text.tsx'

/** A titled part of a page. */
export function Panel({ title, children, aside, id }: { title: string; children?: Child; aside?: Child; id?: string }) {
  const name = `panel-${id ?? title.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`
  return (
    <section class="panel" aria-labelledby={name} id={id}>
      <header>
        <h2 id={name}>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  )
}

/** The head of a page: its title, what it is about, and what can be done. */
export function Head({ title, about, children }: { title: Child; about?: Child; children?: Child }) {
  return (
    <header class="head">
      <div>
        <h1>{title}</h1>
        {about && <p class="about">{about}</p>}
      </div>
      {children && <div class="doing">{children}</div>}
    </header>
  )
}

/** Text of a machine, in which every character shows, to select or copy (the button is for browsers with scripts). */
export function Code({ value, label }: { value: string; label: string }) {
  return (
    <section class="copy" aria-label={label}>
      <pre tabindex={0}>
        <code>{shown(value)}</code>
      </pre>
      <button type="button" class="plain" data-copy hidden>
        Copy
      </button>
    </section>
  )
}

/** What others should notice: good, warn, bad or plain. */
export function Note({ tone = 'plain', children }: { tone?: 'good' | 'warn' | 'bad' | 'plain'; children?: Child }) {
  return <div class={`note ${tone}`}>{children}</div>
}

export interface Tab {
  label: string
  to: string
  /** How many, in brackets behind the label. */
  count?: string | number | undefined
}

/** Views of one thing, each an address of its own. */
export function Tabs({ label, tabs, here }: { label: string; tabs: readonly Tab[]; here: string }) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map(({ label: name, to, count }) => (
        <a href={to} aria-current={to === here ? 'page' : undefined}>
          {name}
          {count === undefined ? '' : <span class="count">{count}</span>}
        </a>
      ))}
    </nav>
  )
}
