/**
 * What one of the documents that are implemented here says a user can do: where it says so, what, and what is here. Told in our words.
 * `tests` prove it, each `file: part of the titles`, the file without .test.ts; `open` says what of it is missing. Of what is not here at all (`here` is
 * empty) they hold how who asks for it is told so.
 */
export interface Feature {
  place: string
  says: string
  here: string
  tests: readonly string[]
  open?: string
}

export interface FeatureTopic {
  title: string
  features: readonly Feature[]
}

export type State = 'proved' | 'in part' | 'open'

export function built(place: string, says: string, here: string, ...tests: [string, ...string[]]): Feature {
  return { place, says, here, tests }
}

/** Something of it is there and proved, and `open` is not. */
export function inPart(
  place: string,
  says: string,
  here: string,
  open: string,
  ...tests: [string, ...string[]]
): Feature {
  return { place, says, here, tests, open }
}

/** Nothing of it is there: the tests hold what who asks for it is told. */
export function missing(place: string, says: string, open: string, ...tests: [string, ...string[]]): Feature {
  return { place, says, here: '', tests, open }
}

export function stateOf({ here, open }: Feature): State {
  if (open === undefined) return 'proved'
  return here === '' ? 'open' : 'in part'
}
