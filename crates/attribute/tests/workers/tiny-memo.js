'use strict';
module.exports = function memo(fn) {
  const store = new Map(); // HOLDER
  return function (key) {
    if (store.has(key)) return store.get(key).value;
    const value = fn(key);
    store.set(key, { value });
    return value;
  };
};
