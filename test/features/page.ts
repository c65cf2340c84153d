import { documents } from './documents.ts'
import { type Feature, type FeatureTopic, stateOf } from './feature.ts'

export const PAGE = 'docs/features.md'

/** The page, from its rows. Pure. */
export function featuresPage(): string {
  const all = documents.flatMap(({ topics }) => topics.flatMap(({ features }) => features))
  const parts = documents.flatMap(({ name, from, topics }) => [`## ${name}`, from, ...topics.map(topicPart)])
  return `${[
    '# Features',
    'The five documents that countersign implements, row by row: what each says, in our words, what is here, and the tests that prove it (`file: part of the title`). Made by `npm run docs:features` from `test/features`; a unit test holds that each test is there and that this page is what the rows say.',
    countPart(all),
    '**proved**: the tests hold all of it. **in part**: they hold what stands under "here"; what is missing stands there too. **open**: not built; they hold what who asks for it is told.',
    ...parts,
  ].join('\n\n')}\n`
}

function countPart(all: readonly Feature[]): string {
  const count = (state: string) => all.filter((feature) => stateOf(feature) === state).length
  return `**${all.length} rows: ${count('proved')} proved, ${count('in part')} in part, ${count('open')} open.**`
}

function topicPart({ title, features }: FeatureTopic): string {
  const head = ['| where | what it says | here | tests | |', '| --- | --- | --- | --- | --- |']
  return [`### ${title}`, '', ...head, ...features.map(rowOf)].join('\n')
}

function rowOf(feature: Feature): string {
  const { place, says, here, tests, open } = feature
  const state = stateOf(feature)
  const what = [here, ...(open === undefined ? [] : [`**Open:** ${open}`])].filter((text) => text !== '')
  const cells = [place, says, what.join(' '), tests.join('<br>'), state === 'proved' ? state : `**${state}**`]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}
