import plimsoll from './index.cjs';

export const { assertNoLeak } = plimsoll;
