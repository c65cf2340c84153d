/** @jsxImportSource hono/jsx */
import type { Failure } from '../core/failure.ts'
import type { ConsoleContext } from './context.ts'
import { failures } from './errors.ts'
import { aloneFrame, frame } from './frame.tsx'
import type { Shown } from './page.ts'
import { Head } from './parts/panel.tsx'
import { shown } from './parts/text.tsx'

/** A page that says what was refused and what to do. */
export function showFailure(c: ConsoleContext, failure: Failure): Response {
  const { status, title } = failures[failure.code]
  const visit = c.get('visit')
  const page: Shown = {
    title,
    body: (
      <>
        <Head title={title} />
        <p class="lead">{sentence(failure.detail)}</p>
        {failure.problems && (
          <ul class="problems">
            {problemTexts(failure).map((problem) => (
              <li>{problem}</li>
            ))}
          </ul>
        )}
        <p>
          <a href={visit ? '/console' : '/console/login'}>{visit ? 'To the overview' : 'To the sign-in page'}</a>
        </p>
      </>
    ),
  }
  if (failure.retryAfter !== undefined) c.header('Retry-After', String(failure.retryAfter))
  // What was not read of a body would be taken for the next request.
  if (failure.code === 'tooLarge') c.header('Connection', 'close')
  return c.html(visit ? frame(visit, page, undefined) : aloneFrame(page), status)
}

/** What is wrong in each place, a sentence each. */
export function problemTexts({ problems = [] }: Pick<Failure, 'problems'>): string[] {
  return problems.map(({ identifier, at, detail }) => shown(`${identifier?.value ?? at}: ${detail}`).slice(0, 500))
}

/** A refusal's detail as a sentence. */
export function sentence(detail: string): string {
  const text = shown(detail)
  const [first = ''] = text
  return `${first.toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`
}
