-- A hundred products, delivered to both places, and one that is rare.

INSERT INTO products (sku, name, price_cents)
SELECT thing || '-' || colour, initcap(colour || ' ' || thing), 250 + 100 * t + 5 * c
  FROM unnest(ARRAY['bag', 'book', 'bowl', 'cap', 'cup', 'lamp', 'pen', 'scarf', 'shirt', 'vase'])
           WITH ORDINALITY AS things (thing, t),
       unnest(ARRAY['black', 'blue', 'brown', 'green', 'grey', 'pink', 'red', 'teal', 'white', 'yellow'])
           WITH ORDINALITY AS colours (colour, c);

INSERT INTO products (sku, name, price_cents) VALUES ('lamp-gold', 'Gold Lamp', 99900);

INSERT INTO stock (sku, place, quantity)
SELECT sku, place, CASE WHEN sku = 'lamp-gold' THEN rare ELSE many END
  FROM products, (VALUES ('shop', 1000000, 5), ('warehouse', 1000000, 0)) AS places (place, many, rare);

INSERT INTO stock_movements (sku, place, change)
SELECT sku, place, quantity FROM stock WHERE quantity > 0;
