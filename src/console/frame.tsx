/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import { assets } from './assets.ts'
import type { Section, Shown, Visit } from './page.ts'
import { PostButton } from './parts/form.tsx'
import { shown, Text } from './parts/text.tsx'

interface Entry {
  section: Section
  label: string
  to: string
  /** For administrators only. */
  admin?: boolean
}

const entries: readonly (readonly [string, readonly Entry[]])[] = [
  [
    'Work',
    [
      { section: 'overview', label: 'Overview', to: '/console' },
      { section: 'requests', label: 'Requests', to: '/console/requests/sign' },
      { section: 'orders', label: 'Orders', to: '/console/orders' },
      { section: 'certificates', label: 'Certificates', to: '/console/certificates' },
      { section: 'alerts', label: 'Alerts', to: '/console/alerts' },
    ],
  ],
  [
    'Set up',
    [
      { section: 'authorities', label: 'Authorities', to: '/console/authorities' },
      { section: 'profiles', label: 'RA profiles', to: '/console/profiles' },
      { section: 'enrolment', label: 'Enrolment', to: '/console/enrolment' },
      { section: 'discovery', label: 'Discovery', to: '/console/discovery', admin: true },
      { section: 'people', label: 'People', to: '/console/people', admin: true },
      { section: 'webhooks', label: 'Webhooks', to: '/console/webhooks', admin: true },
      { section: 'audit', label: 'Audit log', to: '/console/audit', admin: true },
    ],
  ],
]

/** A whole document. */
function Document({ title, children, plain }: { title: string; children?: Child; plain?: boolean }) {
  const { style, htmx, script, icon } = assets()
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta
          name="htmx-config"
          content='{"allowEval":false,"includeIndicatorStyles":false,"selfRequestsOnly":true,"historyCacheSize":0}'
        />
        <title>{`${shown(title)} · countersign`}</title>
        <link rel="icon" href={icon.url} type="image/svg+xml" />
        <link rel="stylesheet" href={style.url} />
        <script src={htmx.url} defer />
        <script src={script.url} defer />
      </head>
      <body class={plain ? 'alone' : undefined}>{children}</body>
    </html>
  )
}

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path d="M4 17l7 7L26 8" />
      <path d="M15 23l3 3L29 14" />
    </svg>
  )
}

/** A page for somebody who has signed in, with the navigation around it. */
export function frame(visit: Visit, { title, section, body, wide }: Shown, told: string | undefined): string {
  const { user } = visit
  const admin = user.admin || user.superuser
  const document = (
    <Document title={title}>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="top">
        <a class="brand" href="/console">
          <Mark />
          countersign
        </a>
        <search class="find">
          <form action="/console/certificates">
            <label class="unseen" for="find">
              Find a certificate by name
            </label>
            <input id="find" name="search" type="search" placeholder="Find a certificate" maxlength={200} />
          </form>
        </search>
        <div class="who">
          <a href="/console/account" aria-current={section === 'account' ? 'page' : undefined}>
            <Text value={user.name} most={40} />
          </a>
          <PostButton visit={visit} to="/console/logout" label="Sign out" />
        </div>
      </header>
      <nav class="side" aria-label="Console">
        <details class="menu" open>
          <summary>Menu</summary>
          {entries.map(([group, links]) => (
            <div>
              <p class="group">{group}</p>
              <ul>
                {links
                  .filter((link) => admin || !link.admin)
                  .map((link) => (
                    <li>
                      <a href={link.to} aria-current={link.section === section ? 'page' : undefined}>
                        {link.label}
                      </a>
                    </li>
                  ))}
              </ul>
            </div>
          ))}
        </details>
      </nav>
      <main id="main" class={wide ? 'wide' : undefined} tabindex={-1}>
        {told && (
          <div class="note good told" role="status">
            {shown(told)}
          </div>
        )}
        {body}
      </main>
    </Document>
  )
  return `<!doctype html>${document}`
}

/** A page for whoever has not signed in: one panel in the middle. */
export function aloneFrame({ title, body }: Pick<Shown, 'title' | 'body'>, told?: string): string {
  const document = (
    <Document title={title} plain>
      <main id="main" class="card" tabindex={-1}>
        <p class="brand">
          <Mark />
          countersign
        </p>
        {told && (
          <div class="note good told" role="status">
            {shown(told)}
          </div>
        )}
        {body}
      </main>
    </Document>
  )
  return `<!doctype html>${document}`
}
