/** @jsxImportSource hono/jsx */
import { page } from '../page.ts'
import { Head, Panel } from '../parts/panel.tsx'

export const overviewPages = [
  page('/', async () => ({
    title: 'Overview',
    section: 'overview',
    body: (
      <>
        <Head title="Overview" />
        <Panel title="Waiting for you" />
      </>
    ),
  })),
]
