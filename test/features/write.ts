import { writeFileSync } from 'node:fs'
import { featuresPage, PAGE } from './page.ts'

writeFileSync(PAGE, featuresPage())
